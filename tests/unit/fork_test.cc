// Children of fork() in native mode, forked while goroutines start, steal, block and sleep on other Ps: each
// has one P and what waits, and everything works there. A child that hangs is ended by its alarm. Misses a state
// that no fork of some hundred meets.
#include <gtest/gtest.h>
#include <reprise/reprise.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "runtime/sched/native.h"
#include "runtime/signal/sigpreempt.h"
#include "runtime/sys/blocking.h"
#include "tests/support/procs.h"

namespace reprise::rt {
namespace {

using namespace std::chrono_literals;
using test::Procs;

constexpr unsigned kChildSeconds = 60;

// Status of a child that runs `body` and ends with what it returns; a signal counts as 1000 and it.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSeconds);
    _exit(body());
  }
  int status = 0;
  EXPECT_EQ(blocking_syscall(SYS_wait4, child, &status, 0, nullptr), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Everything that keeps Ms coming and going.
class Load {
 public:
  Load() {
    start([] { sleep_for(50us); });
    start([] {
      const timespec briefly{0, 50'000};
      blocking_syscall(SYS_nanosleep, &briefly, nullptr);
    });
    start([] {
      const Chan<int> met;
      go([=] { met.send(1); });
      met.recv();
    });
    start([] {
      lock_os_thread();
      yield();
      unlock_os_thread();
    });
    start([] { yield(); });
  }
  ~Load() {
    stop_ = true;
    all_.wait();
  }

 private:
  void start(void (*step)()) {
    all_.add(1);
    go([this, step] {
      while (!stop_) step();
      all_.done();
    });
  }
  std::atomic<bool> stop_{false};
  WaitGroup all_;
};

// Goroutines on `procs` Ps, channels, a timer, a pipe through the poller, a call on a worker.
int works(int procs) {
  gomaxprocs(procs);
  WaitGroup all;
  std::atomic<int> sum{0};
  for (int i = 0; i < 50; ++i) {
    all.add(1);
    go([&sum, all, i]() mutable {
      sleep_for(i * 1us);
      sum += i;
      all.done();
    });
  }
  all.wait();
  auto pipe = *os::pipe();
  go([&] { (void)pipe.writer.write_all("x", 1); });
  char byte = 0;
  if (!pipe.reader.read_full(&byte, 1).ok() || byte != 'x') return 2;
  int called = 0;
  on_worker([&] { called = 1; });
  return sum == 50 * 49 / 2 && called == 1 ? 0 : 1;
}

TEST(Fork, children_work_whatever_the_parents_threads_were_doing) {
  const Procs procs(4);
  const Load load;
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(in_child([i] { return works(1 + i % 3); }), 0) << "child " << i;
    yield();
  }
}

// Goroutines of both sides compute without a scheduling point; those of the parent that were preempted on other threads do
// not exist for the child.
TEST(Fork, child_of_a_parent_that_preempts_preempts_too) {
  if (!async_preempt_on()) GTEST_SKIP() << "turned off";
  const Procs procs(2);
  std::atomic<bool> stop{false};
  const auto hog = [&stop] {
    while (!stop.load(std::memory_order_relaxed)) {
    }
  };
  const auto compete = [&](int hogs) {
    for (int i = 0; i < hogs; ++i) go(hog);
  };
  compete(5);
  for (int i = 0; i < 6; ++i) {
    const int status = in_child([&] {
      gomaxprocs(1 + i % 2);
      compete(3);
      const Chan<int> met;
      go([=] { met.send(7); });
      return *met.recv() == 7 ? works(1) : 3;
    });
    ASSERT_EQ(status, 0) << "child " << i;
  }
  stop = true;
  while (num_goroutine() != 1) yield();
}

TEST(Fork, child_of_a_thread_of_the_programs_runs_goroutines) {
  const Procs procs(2);
  const Load load;
  for (int i = 0; i < 20; ++i) {
    std::thread([i] {
      const pid_t child = fork();
      if (child == 0) {
        alarm(kChildSeconds);
        std::atomic<bool> ran{false};
        go([&] {
          sleep_for(1us);
          ran = true;
        });
        while (!ran) usleep(100);
        _exit(0);
      }
      int status = 0;
      EXPECT_EQ(waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0) << "child " << i;
    }).join();
  }
}

// Every P has a heap of timers, whose lock is held across the call.
TEST(Fork, child_of_a_program_that_had_a_hundred_Ps_works) {
  { const Procs many(100); }
  const Procs procs(2);
  EXPECT_EQ(in_child([] { return works(2); }), 0);
}

TEST(Fork, child_counts_the_goroutines_that_it_has) {
  const Procs procs(1);
  Chan<int> never;
  go([=] { never.recv(); });
  yield();
  EXPECT_EQ(in_child([] { return static_cast<int>(num_goroutine()); }), 2);
  never.close();
  while (num_goroutine() != 1) yield();
}

TEST(Fork, child_that_waits_for_ever_is_a_deadlock_there) {
  const Procs procs(4);
  EXPECT_EQ(in_child([] {
              Chan<int>(0).recv();
              return 0;
            }),
            2);
}

TEST(Fork, waiting_goroutines_and_their_timers_go_on_in_the_child) {
  const Procs procs(4);
  std::atomic<int> woken{0};
  Chan<Unit> may_sleep;
  for (int i = 0; i < 40; ++i) {
    go([&, may_sleep] {
      may_sleep.recv();
      sleep_for(20ms);
      ++woken;
    });
  }
  may_sleep.close();
  yield();
  const int status = in_child([&] {
    // Those that ran or were queued elsewhere are not there; whoever sleeps wakes.
    while (num_goroutine() > 1) sleep_for(1ms);
    return 0;
  });
  EXPECT_EQ(status, 0);
  while (woken != 40) sleep_for(1ms);
}

}  // namespace
}  // namespace reprise::rt
