// Blocking calls on worker threads.
#include "runtime/sys/blocking.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "runtime/sched/proc.h"
#include "tests/support/schedules.h"

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(Blocking, work_runs_on_another_thread) {
  const pid_t here = gettid();
  pid_t there = here;
  on_worker([&] { there = gettid(); });
  EXPECT_NE(there, here);
}

TEST(Blocking, result_and_errors_of_a_call_come_back) {
  EXPECT_EQ(blocking_syscall(SYS_getpid), getpid());
  EXPECT_EQ(blocking_syscall(SYS_close, -1), -EBADF);
}

TEST(Blocking, errno_of_the_goroutine_is_its_own) {
  errno = 77;
  on_worker([] { errno = 5; });
  EXPECT_EQ(errno, 77);
}

TEST(Blocking, other_goroutines_run_while_one_blocks) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  std::atomic<bool> blocked_returned = false;
  char byte = 0;
  go([&] {
    EXPECT_EQ(blocking_syscall(SYS_read, pipe_ends[0], &byte, 1), 1);
    blocked_returned = true;
  });
  gosched();
  EXPECT_FALSE(blocked_returned);
  ASSERT_EQ(write(pipe_ends[1], "x", 1), 1);  // only this goroutine can let the other go on
  wait_until_alone();
  EXPECT_TRUE(blocked_returned);
  EXPECT_EQ(byte, 'x');
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST(Blocking, many_calls_at_once_all_come_back) {
  std::atomic<int> done = 0;
  for (int i = 0; i < 500; ++i) {
    go([&] {
      for (int round = 0; round < 4; ++round) on_worker([] {});
      ++done;
    });
  }
  wait_until_alone();
  EXPECT_EQ(done.load(), 500);
  EXPECT_EQ(blocking_in_flight(), 0u);
}

size_t threads() {
  size_t count = 0;
  DIR* dir = opendir("/proc/self/task");
  while (readdir(dir)) ++count;
  closedir(dir);
  return count;
}

TEST(Blocking, workers_are_reused) {
  const test::InOrder in_order;  // one M: threads are workers
  on_worker([] {});
  const size_t before = threads();
  for (int i = 0; i < 50; ++i) on_worker([] {});
  EXPECT_EQ(threads(), before);
}

}  // namespace
}  // namespace reprise::rt
