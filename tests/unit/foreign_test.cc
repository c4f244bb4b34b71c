// Threads of the program's own use what goroutines wait on, at 1 and 4 Ps.
#include <gtest/gtest.h>
#include <reprise/reprise.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/procs.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;

class Foreign : public testing::TestWithParam<int> {
  const test::Procs procs_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Procs, Foreign, testing::Values(1, 4));

TEST_P(Foreign, thread_and_goroutine_play_ping_pong) {
  const Chan<int> there, back;
  std::thread thread([=] {
    for (int v : there) back.send(v + 1);
    back.close();
  });
  for (int i = 0; i < 500; ++i) {
    there.send(i);
    ASSERT_EQ(back.recv(), i + 1);
  }
  there.close();
  EXPECT_EQ(back.recv(), std::nullopt);
  thread.join();
  // The goroutine that waited in the thread's place may be about to end.
  for (int i = 0; num_goroutine() != 1 && i < 1'000'000; ++i) yield();
  EXPECT_EQ(num_goroutine(), 1u);
}

TEST_P(Foreign, threads_among_themselves_meet_on_channels) {
  constexpr int kThreads = 3, kEach = 300;
  const Chan<std::string> values;  // in boxes: moved outside the lock
  std::vector<std::thread> threads;
  std::atomic<long> sum{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([=] {
      for (int i = 0; i < kEach; ++i) values.send(std::to_string(i));
    });
    threads.emplace_back([=, &sum] {
      for (int i = 0; i < kEach; ++i) sum += std::stol(*values.recv());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum, kThreads * (kEach * (kEach - 1) / 2));
}

TEST_P(Foreign, thread_selects_what_comes_first) {
  const Chan<int> never, sometimes;
  std::atomic<int> received{0}, timeouts{0};
  std::thread thread([&] {
    for (bool open = true; open;) {
      select(on_recv(never, [&](std::optional<int>) { ADD_FAILURE(); }),
             on_recv(sometimes, [&](std::optional<int> v) { v.has_value() ? ++received : open = false; }),
             on_timeout(1h, [&] { ++timeouts; }));
    }
  });
  for (int i = 0; i < 200; ++i) sometimes.send(i);
  sometimes.close();
  thread.join();
  EXPECT_EQ(received, 200);
  EXPECT_EQ(timeouts, 0);
}

TEST_P(Foreign, threads_and_goroutines_share_locks) {
  Mutex mutex;
  RWMutex rwmutex;
  Semaphore semaphore(1);
  WaitGroup all;
  int guarded[3] = {};
  const auto body = [&]() mutable {
    for (int i = 0; i < 300; ++i) {
      mutex.lock();
      ++guarded[0];
      if (i % 64 == 0) sleep_for(1us);
      mutex.unlock();
      rwmutex.lock();
      ++guarded[1];
      rwmutex.unlock();
      semaphore.acquire(1);
      ++guarded[2];
      semaphore.release(1);
    }
    all.done();
  };
  std::vector<std::thread> threads;
  all.add(6);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back(body);
    go(body);
  }
  std::thread waiter([&] { all.wait(); });
  waiter.join();
  for (auto& thread : threads) thread.join();
  for (const int count : guarded) EXPECT_EQ(count, 6 * 300);
  while (num_goroutine() != 1) yield();
}

TEST_P(Foreign, close_ends_the_wait_of_a_thread) {
  const Chan<int> empty;
  std::atomic<bool> ended{false};
  std::thread thread([&] {
    EXPECT_EQ(empty.recv(), std::nullopt);
    ended = true;
  });
  empty.close();
  thread.join();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace reprise
