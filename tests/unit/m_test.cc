// lock_os_thread: a thread of one's own, handed the P and back.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/sched/proc.h"

namespace reprise::rt {
namespace {

long thread_id() { return syscall(SYS_gettid); }

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(LockOsThread, goroutine_keeps_one_thread_that_no_other_runs_on) {
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

TEST(LockOsThread, unlocking_comes_home_and_counts_nest) {
  const long home = thread_id();
  lock_os_thread();
  lock_os_thread();
  unlock_os_thread();
  const long locked = thread_id();
  EXPECT_NE(locked, home);
  unlock_os_thread();
  EXPECT_EQ(thread_id(), home);
  unlock_os_thread();  // one too many does nothing
  EXPECT_EQ(thread_id(), home);
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
  G* parked = nullptr;
  long before = 0, after = 1;
  go([&] {
    lock_os_thread();
    before = thread_id();
    parked = getg();
    gopark(nullptr, nullptr, WaitReason::semacquire);
    after = thread_id();
    unlock_os_thread();
  });
  while (parked == nullptr || parked->status.load() != GStatus::waiting) gosched();
  goready(parked);
  wait_until_alone();
  EXPECT_EQ(before, after);
}

TEST(LockOsThread, several_locked_goroutines_take_turns) {
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
