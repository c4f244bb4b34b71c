// The runtime's lock: exclusion between threads, counts on the M.
#include "runtime/sched/lock.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {
namespace {

TEST(Lock, threads_exclude_each_other) {
  constexpr int kThreads = 4, kRounds = 20'000;
  Lock lock{LockRank::leaf};
  long counter = 0;  // lock
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        lock.lock();
        ++counter;
        lock.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, long{kThreads} * kRounds);
  EXPECT_FALSE(lock.held_for_test());
}

TEST(Lock, holding_one_is_counted_on_the_m) {
  Lock low{LockRank::sched}, high{LockRank::leaf};
  const int before = getm()->locks;
  low.lock();
  high.lock();
  EXPECT_EQ(getm()->locks, before + 2);
  EXPECT_TRUE(high.held_for_test());
  high.unlock();
  low.unlock();
  EXPECT_EQ(getm()->locks, before);
}

}  // namespace
}  // namespace reprise::rt
