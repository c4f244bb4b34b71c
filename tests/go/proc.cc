// Go's runtime/proc_test.go, as far as it is about scheduling, and sema_test.go.
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/sched/sema.h"
#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::controlled;
using test::nothing;
using test::rounds;
using test::settle;
using test::until;

pid_t thread_id() { return static_cast<pid_t>(syscall(SYS_gettid)); }

// ---- TestStopTheWorldDeadlock --------------------------------------------------------------------

void spawn_for_ever(const Chan<Unit>& stop) {
  select(on_recv(stop, nothing), otherwise([&] { go([=] { spawn_for_ever(stop); }); }));
}

TEST(StopTheWorld, procs_may_be_set_again_and_again_while_goroutines_start_goroutines) {
  const int before = gomaxprocs();
  const Chan<Unit> stop(1);
  WaitGroup done(2);
  go([=] { spawn_for_ever(stop); });
  for (int i = 0; i < 2; ++i) {
    go([=]() mutable {
      for (int k = 0; k < rounds(200, 100); ++k) {
        gomaxprocs(1 + k % 3);
        yield();
      }
      done.done();
    });
  }
  done.wait();
  stop.send({});
  gomaxprocs(before);
  EXPECT_EQ(gomaxprocs(), before);
}

// ---- TestYieldProgress, TestYieldLockedProgress, TestYieldLocked, TestBlockLocked ------------------

void check_yield_progress(bool locked) {
  const Chan<Unit> stop, stopped;
  go([=] {
    if (locked) lock_os_thread();
    while (!stop.try_recv()) yield();
    stopped.send({});
  });
  for (int i = 0; i < 100; ++i) yield();
  stop.send({});
  stopped.recv();
}

TEST(Yield, goroutine_that_only_yields_lets_others_reach_it) { check_yield_progress(false); }
TEST(Yield, locked_goroutine_that_only_yields_lets_others_reach_it) { check_yield_progress(true); }

TEST(Yield, locked_goroutine_may_yield_and_sleep_and_end_locked) {
  const Chan<Unit> through;
  go([=] {
    lock_os_thread();
    for (int i = 0; i < 10; ++i) {
      yield();
      sleep_for(1ms);
    }
    through.send({});
  });
  through.recv();
}

TEST(LockedThread, locked_goroutine_may_wait_on_channels) {
  constexpr int kValues = 10;
  const Chan<int> ch;
  go([=] {
    lock_os_thread();
    for (int i = 0; i < kValues; ++i) ch.send(i);
    unlock_os_thread();
  });
  for (int i = 0; i < kValues; ++i) EXPECT_EQ(ch.recv(), i);
}

// ---- TestGoroutineParallelism, TestGoroutineParallelism2 -------------------------------------------

// As many goroutines as Ps take turns by computing alone, so each must have a thread at that moment.
template <class Spawn>
void check_all_run_at_once(Spawn spawn) {
  const int procs = gomaxprocs();
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::atomic<int> turn{0};
    WaitGroup done(procs);
    spawn(procs, [&turn, procs, done](int p) mutable {
      for (int i = 0; i < 3; ++i) {
        while (turn.load() != procs * i + p) syscall(SYS_sched_yield);  // not the runtime's
        ++turn;
      }
      done.done();
    });
    done.wait();
  }
}

template <class F>
void spawn_plainly(int n, F f) {
  for (int p = 0; p < n; ++p) go([=]() mutable { f(p); });
}

TEST(Parallelism, as_many_goroutines_as_procs_run_at_once) {
  NATIVE_ONLY();
  check_all_run_at_once([](int n, auto f) { spawn_plainly(n, f); });
}

TEST(Parallelism, all_procs_are_found_again_after_they_went_idle) {
  NATIVE_ONLY();
  for (int i = 0; i < 5; ++i) {
    check_all_run_at_once([](int n, auto f) { spawn_plainly(n, f); });
    settle();
  }
}

TEST(Parallelism, goroutines_started_by_goroutines_run_at_once) {
  NATIVE_ONLY();
  const auto listening = net::listen("tcp", "127.0.0.1:0");  // the poller takes part
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  check_all_run_at_once([](int n, auto f) {
    for (int first = 0; first < n; first += 2) {
      go([=] {
        for (int p = first; p < n && p < first + 2; ++p) go([=]() mutable { f(p); });
      });
    }
  });
}

// ---- TestTimerFairness, TestTimerFairness2 ---------------------------------------------------------

TEST(TimerFairness, timer_fires_while_goroutines_keep_each_other_busy) {
  NATIVE_ONLY();  // virtual time stands still while anybody is busy
  const Chan<Unit> busy, stop;
  for (int i = 0; i < 2; ++i) {
    go([=] {
      for (bool more = true; more;) {
        select(on_send(busy, Unit{}, nothing), on_recv(stop, [&] { more = false; }));
      }
    });
  }
  const Chan<TimePoint> timer = after(20ms);
  for (bool more = true; more;) {
    select(on_recv(busy, nothing), on_recv(timer, [&] { more = false; }));
  }
  stop.close();
}

TEST(TimerFairness, timers_fire_while_their_goroutines_make_system_calls_and_meet) {
  NATIVE_ONLY();
  const Chan<Unit> meet, fired;
  for (int i = 0; i < 2; ++i) {
    go([=] {
      const Chan<TimePoint> timer = after(20ms);
      for (bool more = true; more;) {
        syscall(SYS_getppid);
        select(on_send(meet, Unit{}, nothing), on_recv(meet, nothing),
               on_recv(timer, [&] { more = false; }));
      }
      // The other may still wait for a meeting: its own timer ends that.
      fired.send({});
    });
  }
  fired.recv();
  fired.recv();
}

// ---- TestPreemption, TestPingPongHog, TestPreemptionAfterSyscall -----------------------------------

TEST(Preemption, goroutines_that_wait_for_each_other_at_scheduling_points_alternate) {
  const int n = rounds(5, 5);
  std::atomic<int> turn{0};
  const Chan<Unit> nobody_sends;
  WaitGroup done(2);
  for (int self = 0; self < 2; ++self) {
    go([=, &turn]() mutable {
      for (int i = 0; i < n; ++i) {
        while (turn.load() != self) nobody_sends.try_recv();
        turn = 1 - self;
      }
      done.done();
    });
  }
  done.wait();
}

TEST(PingPong, pair_that_never_stops_does_not_starve_another) {
  const Chan<int> ball;
  const Chan<Unit> stop, ping, pong;
  for (int i = 0; i < 2; ++i) {
    go([=] {
      bool more = true;
      const auto leave = [&] { more = false; };
      while (more) {
        select(on_recv(ball,
                       [&](int hits) {
                         select(on_send(ball, hits + 1, nothing), on_recv(stop, leave));
                       }),
               on_recv(stop, leave));
      }
    });
  }
  ball.send(0);
  const int n = rounds(1000, 250);
  go([=] {
    for (int i = 0; i < n; ++i) {
      ping.recv();
      pong.send({});
    }
  });
  for (int i = 0; i < n; ++i) {
    ping.send({});
    pong.recv();
  }
  stop.close();
}

TEST(Preemption, goroutines_that_make_short_system_calls_let_others_run) {
  const int n = rounds(8, 3);
  std::atomic<bool> stop{false};
  const Chan<Unit> started;
  WaitGroup done(n);
  for (int i = 0; i < n; ++i) {
    go([=, &stop]() mutable {
      auto null = os::open("/dev/null");
      EXPECT_TRUE(null.ok());
      started.send({});
      char byte;
      while (!stop) EXPECT_TRUE(null->read(&byte, 1).ok());
      done.done();
    });
  }
  for (int i = 0; i < n; ++i) started.recv();
  stop = true;
  done.wait();
}

// ---- TestNumGoroutine --------------------------------------------------------------------------------

TEST(NumGoroutine, counts_those_that_run_and_those_that_wait) {
  EXPECT_EQ(num_goroutine(), 1u);
  const Chan<Unit> stop;
  for (int i = 0; i < 10; ++i) go([=] { stop.recv(); });
  EXPECT_EQ(num_goroutine(), 11u);
  settle();
  EXPECT_EQ(num_goroutine(), 11u);
  stop.close();
  until([] { return num_goroutine() == 1; });
}

// ---- TestLockOSThread… -------------------------------------------------------------------------------

TEST(LockedThread, locks_nest) {
  const Chan<Unit> through;
  go([=] {
    lock_os_thread();
    const pid_t thread = thread_id();
    lock_os_thread();
    unlock_os_thread();
    for (int i = 0; i < 20; ++i) {
      yield();
      EXPECT_EQ(thread_id(), thread);
    }
    unlock_os_thread();
    through.send({});
  });
  through.recv();
}

TEST(LockedThread, nobody_else_runs_on_the_thread) {
  const Chan<pid_t> locked;
  const Chan<Unit> stop;
  go([=] {
    lock_os_thread();
    locked.send(thread_id());
    while (!stop.try_recv()) yield();
    unlock_os_thread();
  });
  const pid_t thread = *locked.recv();
  WaitGroup done(10);
  for (int i = 0; i < 10; ++i) {
    go([=]() mutable {
      for (int k = 0; k < 10; ++k) {
        EXPECT_NE(thread_id(), thread);
        yield();
      }
      done.done();
    });
  }
  done.wait();
  stop.send({});
}

bool thread_lives(pid_t thread) {
  return syscall(SYS_tgkill, getpid(), thread, 0) == 0 || errno != ESRCH;
}

// The thread of a goroutine that ends locked to it.
pid_t end_locked() {
  const Chan<pid_t> locked;
  go([=] {
    lock_os_thread();
    locked.send(thread_id());
  });
  return *locked.recv();
}

TEST(LockedThread, goroutine_that_ends_locked_takes_its_thread_along) {
  NATIVE_ONLY();  // the kernel's thread numbers are asked
  pid_t thread = end_locked();
  // The first thread of a process cannot end before it: there it is put to sleep for good.
  if (thread == getpid()) thread = end_locked();
  ASSERT_NE(thread, getpid());
  until([=] {
    EXPECT_NE(thread_id(), thread);
    return !thread_lives(thread);
  });
}

TEST(LockedThread, state_of_a_thread_that_ended_is_not_seen_by_later_threads) {
  NATIVE_ONLY();
  const std::string before = std::filesystem::current_path();
  const Chan<int> changed;
  go([=] {
    lock_os_thread();
    int error = unshare(CLONE_FS) == 0 ? 0 : errno;
    if (error == 0 && chdir(before == "/" ? "/tmp" : "/") != 0) error = errno;
    changed.send(error);  // ends locked
  });
  if (const int error = *changed.recv(); error != 0) {
    GTEST_SKIP() << "unshare is not permitted here: " << std::strerror(error);
  }
  WaitGroup done(4);
  for (int i = 0; i < 4; ++i) {
    go([=]() mutable {
      lock_os_thread();
      EXPECT_EQ(std::filesystem::current_path(), before);
      unlock_os_thread();
      done.done();
    });
  }
  done.wait();
}

TEST(LockedThread, locking_while_the_world_is_stopped_again_and_again_goes_on) {
  const int before = gomaxprocs();
  for (int round = 0; round < rounds(20, 1); ++round) {
    std::atomic<bool> stop{false};
    WaitGroup stopping(1), locking(2);
    go([&stop, before, stopping]() mutable {
      while (!stop) {
        gomaxprocs(before);
        yield();
      }
      stopping.done();
    });
    for (int i = 0; i < 2; ++i) {
      go([=]() mutable {
        go([] {});  // work for whoever takes over the P
        lock_os_thread();
        yield();
        locking.done();
      });
    }
    locking.wait();
    stop = true;
    stopping.wait();
  }
}

// ---- TestGetgThreadSwitch ------------------------------------------------------------------------------

TEST(CurrentGoroutine, stays_the_same_while_its_thread_changes) {
  WaitGroup done(4);
  for (int i = 0; i < 4; ++i) {
    go([=]() mutable {
      const rt::G* const self = rt::curg();
      for (int k = 0; k < 10; ++k) {
        errno = 100 + i;
        lock_os_thread();
        EXPECT_EQ(rt::curg(), self);
        EXPECT_EQ(errno, 100 + i);
        yield();
        unlock_os_thread();
        EXPECT_EQ(rt::curg(), self);
        EXPECT_EQ(errno, 100 + i);
      }
      done.done();
    });
  }
  done.wait();
}

// ---- TestNetpollBreak ------------------------------------------------------------------------------------

TEST(Netpoll, thread_without_goroutine_wakes_a_runtime_that_sleeps) {
  const auto listening = net::listen("tcp", "127.0.0.1:0");  // so that it sleeps in the poller
  ASSERT_TRUE(listening.ok()) << listening.error().message();
  std::mutex mutex;
  std::condition_variable changed;
  bool asleep = false, awake = false;
  std::thread waker([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return asleep; });
    awake = true;
    changed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    asleep = true;
    changed.notify_all();
    changed.wait(lock, [&] { return awake; });
  }
  waker.join();
}

// ---- sema_test -------------------------------------------------------------------------------------------

using Semaphore32 = std::atomic<uint32_t>;

TEST(SemaHandoff, token_handed_over_cannot_be_taken_by_anybody_else) {
  for (int round = 0; round < rounds(100, 100); ++round) {
    Semaphore32 sema{0};
    std::atomic<bool> waits{false};
    const Chan<Unit> got;
    go([&, got] {
      waits = true;
      rt::semacquire(&sema);
      got.send({});
    });
    until([&] { return waits.load(); });
    settle();  // natively the waiter may come too late to be handed anything: then it takes a token
    rt::semrelease1(&sema, true);
    got.recv();
    EXPECT_EQ(sema, 0u);
  }
}

TEST(SemaHandoff, waiter_runs_before_the_releaser_goes_on) {
  NATIVE_ONLY();  // a policy may choose otherwise
  if (gomaxprocs() != 1) GTEST_SKIP() << "certain with one P only";
  for (int round = 0; round < 1000; ++round) {
    Semaphore32 sema{0};
    int first = 0;
    const Chan<Unit> stop, done;
    go([=] {
      while (!stop.try_recv()) yield();
    });
    go([&, done] {
      rt::semacquire(&sema);
      if (first == 0) first = 1;
      done.send({});
    });
    for (int i = 0; i < 3; ++i) yield();  // until it waits
    rt::semrelease1(&sema, true);
    if (first == 0) first = 2;
    done.recv();
    EXPECT_EQ(first, 1);
    stop.send({});
  }
}

}  // namespace
}  // namespace reprise
