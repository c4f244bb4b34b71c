// lock_os_thread: a goroutine keeps its thread to itself, in native mode the one that it is on, in a
// controlled one a thread of its own.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <vector>

#include "runtime/sched/proc.h"
#include "tests/support/schedules.h"

namespace reprise::rt {
namespace {

long thread_id() { return syscall(SYS_gettid); }

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(ControlledLockOsThread, goroutine_keeps_one_thread_that_no_other_runs_on) {
  const test::InOrder in_order;
  const long home = thread_id();
  std::vector<long> locked, unlocked;
  go([&] {
    lock_os_thread();
    for (int i = 0; i < 10; ++i) {
      locked.push_back(thread_id());
      gosched();
    }
    unlock_os_thread();
  });
  go([&] {
    for (int i = 0; i < 10; ++i) {
      unlocked.push_back(thread_id());
      gosched();
    }
  });
  wait_until_alone();
  ASSERT_EQ(locked.size(), 10u);
  EXPECT_NE(locked[0], home);
  for (long id : locked) EXPECT_EQ(id, locked[0]);
  for (long id : unlocked) EXPECT_EQ(id, home);
}

TEST(ControlledLockOsThread, unlocking_comes_home_and_counts_nest) {
  const test::InOrder in_order;
  const long home = thread_id();
  go([home] {
    lock_os_thread();
    lock_os_thread();
    unlock_os_thread();
    const long locked = thread_id();
    EXPECT_NE(locked, home);
    unlock_os_thread();
    EXPECT_EQ(thread_id(), home);
    unlock_os_thread();  // one too many does nothing
    EXPECT_EQ(thread_id(), home);
  });
  wait_until_alone();
}

TEST(LockOsThread, native_goroutine_stays_where_it_is_and_has_the_thread_to_itself) {
  std::atomic<bool> stop{false};
  std::atomic<long> locked_id{0};
  std::atomic<int> intruders{0};
  for (int i = 0; i < 4; ++i) {
    go([&] {
      while (!stop) {
        if (thread_id() == locked_id) ++intruders;
        gosched();
      }
    });
  }
  go([&] {
    const long before = thread_id();
    lock_os_thread();
    locked_id = before;
    for (int i = 0; i < 100; ++i) {
      gosched();
      EXPECT_EQ(thread_id(), before);
    }
    locked_id = 0;
    unlock_os_thread();
    unlock_os_thread();  // one too many does nothing
    stop = true;
  });
  wait_until_alone();
  EXPECT_EQ(intruders, 0);
}

TEST(LockOsThread, errno_and_exceptions_move_along) {
  try {
    throw 7;
  } catch (int) {
    errno = 33;
    lock_os_thread();
    EXPECT_EQ(errno, 33);
    unlock_os_thread();
    EXPECT_EQ(errno, 33);
    EXPECT_THROW(throw, int);
  }
}

TEST(LockOsThread, goroutine_that_exits_locked_takes_its_thread_along) {
  for (int i = 0; i < 5; ++i) {
    go([] { lock_os_thread(); });
    wait_until_alone();
  }
  EXPECT_EQ(num_goroutine(), 1u);
}

TEST(LockOsThread, parked_locked_goroutine_is_woken_on_its_thread) {
  std::atomic<G*> parked = nullptr;
  long before = 0, after = 1;
  go([&] {
    lock_os_thread();
    before = thread_id();
    parked = getg();
    gopark(nullptr, nullptr, WaitReason::semacquire);
    after = thread_id();
    unlock_os_thread();
  });
  while (parked == nullptr || parked.load()->status.load() != GStatus::waiting) gosched();
  goready(parked);
  wait_until_alone();
  EXPECT_EQ(before, after);
}

TEST(ControlledLockOsThread, several_locked_goroutines_take_turns) {
  const test::InOrder in_order;
  std::string order;
  for (char name : {'a', 'b', 'c'}) {
    go([&order, name] {
      lock_os_thread();
      for (int i = 0; i < 3; ++i) {
        order += name;
        gosched();
      }
      unlock_os_thread();
    });
  }
  wait_until_alone();
  EXPECT_EQ(order, "abcabcabc");
}

}  // namespace
}  // namespace reprise::rt
