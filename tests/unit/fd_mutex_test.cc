// FdMutex: locks, references, closing.
#include "runtime/poll/fd_mutex.h"

#include <gtest/gtest.h>
#include <reprise/go.h>

#include <atomic>
#include <string>

#include "runtime/sched/proc.h"
#include "tests/support/schedules.h"

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(FdMutex, last_reference_after_close_says_destroy) {
  FdMutex mutex;
  ASSERT_TRUE(mutex.incref());
  ASSERT_TRUE(mutex.increfAndClose());
  EXPECT_FALSE(mutex.decref());
  EXPECT_TRUE(mutex.decref());
}

TEST(FdMutex, nothing_can_be_taken_once_closed) {
  FdMutex mutex;
  ASSERT_TRUE(mutex.increfAndClose());
  EXPECT_TRUE(mutex.closed());
  EXPECT_FALSE(mutex.incref());
  EXPECT_FALSE(mutex.increfAndClose());
  EXPECT_FALSE(mutex.rwlock(true));
  EXPECT_FALSE(mutex.rwlock(false));
  EXPECT_TRUE(mutex.decref());
}

TEST(FdMutex, read_and_write_locks_are_independent) {
  FdMutex mutex;
  ASSERT_TRUE(mutex.rwlock(true));
  ASSERT_TRUE(mutex.rwlock(false));
  EXPECT_FALSE(mutex.rwunlock(true));
  EXPECT_FALSE(mutex.rwunlock(false));
}

TEST(FdMutex, waiters_take_the_lock_in_order_of_arrival) {
  const test::InOrder in_order;
  FdMutex mutex;
  std::string order;
  ASSERT_TRUE(mutex.rwlock(true));
  for (char name : {'a', 'b', 'c'}) {
    go([&, name] {
      ASSERT_TRUE(mutex.rwlock(true));
      order += name;
      EXPECT_FALSE(mutex.rwunlock(true));
    });
  }
  gosched();  // all three wait
  EXPECT_EQ(order, "");
  EXPECT_FALSE(mutex.rwunlock(true));
  wait_until_alone();
  EXPECT_EQ(order, "abc");
}

TEST(FdMutex, close_wakes_all_who_wait_and_they_fail) {
  FdMutex mutex;
  std::atomic<int> failed = 0;
  ASSERT_TRUE(mutex.rwlock(true));
  ASSERT_TRUE(mutex.rwlock(false));
  for (int i = 0; i < 10; ++i) {
    go([&, i] { failed += !mutex.rwlock(i % 2 == 0); });
  }
  gosched();
  ASSERT_TRUE(mutex.increfAndClose());
  EXPECT_FALSE(mutex.decref());
  wait_until_alone();
  EXPECT_EQ(failed.load(), 10);
  EXPECT_FALSE(mutex.rwunlock(true));
  EXPECT_TRUE(mutex.rwunlock(false));
}

TEST(FdMutex, lock_excludes_across_many_goroutines) {
  FdMutex mutex;
  int inside = 0, most = 0, entered = 0;
  for (int i = 0; i < 100; ++i) {
    go([&] {
      for (int round = 0; round < 20; ++round) {
        ASSERT_TRUE(mutex.rwlock(false));
        most = std::max(most, ++inside);
        gosched();
        --inside;
        ++entered;
        EXPECT_FALSE(mutex.rwunlock(false));
      }
    });
  }
  wait_until_alone();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(entered, 2000);
}

}  // namespace
}  // namespace reprise::rt
