// Native mode: Ps in parallel, system calls that block, gomaxprocs at run time, giving way, stop of the
// world. Times are never asserted; what must happen is waited for.
#include <gtest/gtest.h>
#include <reprise/reprise.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/sched/native.h"
#include "runtime/sys/blocking.h"
#include "tests/support/procs.h"

namespace reprise::rt {
namespace {

using test::Procs;

TEST(Native, goroutines_that_spin_for_each_other_run_on_several_ps) {
  const Procs procs(2);
  std::atomic<int> turn{0};
  WaitGroup done;
  done.add(2);
  for (int me : {0, 1}) {
    go([&, me, done]() mutable {
      for (int i = 0; i < 100; ++i) {
        while (turn.load() % 2 != me) {  // no scheduling point
        }
        ++turn;
      }
      done.done();
    });
  }
  done.wait();
  EXPECT_EQ(turn, 200);
}

TEST(Native, a_call_that_blocks_gives_its_p_to_others) {
  const Procs procs(1);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> read{false};
  go([&] {
    char byte;
    EXPECT_EQ(blocking_syscall(SYS_read, ends[0], &byte, size_t{1}), 1);
    read = true;
  });
  gosched();
  EXPECT_FALSE(read);
  const char byte = 0;
  ASSERT_EQ(write(ends[1], &byte, 1), 1);
  while (!read) gosched();
  close(ends[0]);
  close(ends[1]);
}

// Each link starts the next one and ends, mostly on another P than it started on: with main there are
// two or three goroutines at every instant, until the chain ends. Misses a count that is wrong
// less often than once in so many counts.
TEST(Native, a_chain_of_goroutines_is_never_counted_short) {
  const Procs procs(4);
  std::atomic<int> links{20'000};
  struct Link {
    static void run(std::atomic<int>* left) {
      if (left->fetch_sub(1) > 0) go([left] { run(left); });
      if (left->load() % 3 == 0) gosched();
    }
  };
  go([&] { Link::run(&links); });
  uint64_t fewest = UINT64_MAX;
  while (links.load() > 0) {
    const uint64_t seen = num_goroutine();
    if (links.load() > 0 && seen < fewest) fewest = seen;
    gosched();
  }
  EXPECT_GE(fewest, 2u);  // main and a link
  while (num_goroutine() != 1) gosched();
}

TEST(Native, many_more_blocked_calls_than_ps) {
  const Procs procs(2);
  constexpr int kCalls = 100;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  WaitGroup done;
  done.add(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    go([&, done]() mutable {
      char byte;
      EXPECT_EQ(blocking_syscall(SYS_read, ends[0], &byte, size_t{1}), 1);
      done.done();
    });
  }
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_EQ(write(ends[1], "x", 1), 1);
    gosched();
  }
  done.wait();
  close(ends[0]);
  close(ends[1]);
}

TEST(Native, gomaxprocs_grows_and_shrinks_under_load) {
  const Procs procs(4);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> passed{0};
  WaitGroup done;
  Chan<int> ring(16);
  for (int i = 0; i < 8; ++i) {
    done.add(1);
    go([&, ring, done]() mutable {
      while (!stop) {
        ring.try_send(1);
        if (ring.try_recv()) ++passed;
        yield();
      }
      done.done();
    });
  }
  for (int n : {1, 8, 2, 5, 1, 3}) {
    gomaxprocs(n);
    EXPECT_EQ(gomaxprocs(0), n);
    const uint64_t before = passed;
    while (passed < before + 100) yield();
  }
  stop = true;
  done.wait();
}

TEST(Native, timers_of_a_p_that_is_no_more_still_fire) {
  const Procs procs(8);
  WaitGroup done;
  for (int i = 0; i < 64; ++i) {
    done.add(1);
    go([done]() mutable {
      sleep_for(std::chrono::milliseconds(20));
      done.done();
    });
  }
  yield();
  gomaxprocs(1);
  done.wait();
}

TEST(Native, a_pair_that_wakes_each_other_does_not_starve_a_third) {
  const Procs procs(1);
  std::atomic<bool> stop{false};
  Chan<int> there, back;
  go([=]() mutable {
    for (int v : there) back.send(v);
    back.close();
  });
  go([=, &stop]() mutable {
    while (!stop) {
      there.send(1);
      back.recv();
    }
    there.close();
  });
  go([&] { stop = true; });
  while (num_goroutine() > 1) gosched();
  EXPECT_TRUE(stop);
}

TEST(Native, a_goroutine_that_only_passes_points_gives_way_when_asked) {
  const Procs procs(1);
  std::atomic<bool> stop{false};
  Mutex mutex;
  go([&] { stop = true; });
  while (!stop) {  // never parks: only sysmon's request ends it
    mutex.lock();
    mutex.unlock();
  }
}

// Or its own points, and allocations everywhere, would take their slow path until sysmon's next pass. A slice may end in between: not in
// each of fifty rounds, which take microseconds and begin a slice each.
TEST(Native, who_stops_the_world_asks_only_others_to_give_way) {
  for (const int n : {1, 2, 8}) {
    const Procs procs(n);
    int asked = 0;
    for (int round = 0; round < 50; ++round) {
      gosched();
      stop_the_world();
      start_the_world(n);
      asked += getp()->preempt.load() ? 1 : 0;
    }
    EXPECT_LT(asked, 50);
  }
}

// Each call lasts shorter than the interval at which sysmon looks, and it mostly looks during one. One goroutine is in calls so, and
// nothing else makes points; hangs in two of three runs where only running goroutines have a slice.
TEST(Native, a_goroutine_that_is_in_one_short_call_after_another_gives_way) {
  const Procs procs(1);
  for (int round = 0; round < 10; ++round) {
    std::atomic<bool> stop{false};
    go([&] { stop = true; });
    const timespec briefly{0, 1};
    while (!stop) blocking_syscall(SYS_nanosleep, &briefly, nullptr);
  }
}

// setuid holds a lock that whoever makes a thread needs, until every thread has answered its signal.
TEST(Native, identity_of_all_threads_changes_while_threads_are_made) {
  const Procs procs(4);
  WaitGroup all;
  for (int i = 0; i < 8; ++i) {
    all.add(1);
    go([all]() mutable {
      for (int k = 0; k < 40; ++k) {
        Chan<int> met;
        go([=] {
          lock_os_thread();  // and ends so: its thread does as well
          met.send(1);
        });
        met.recv();
      }
      all.done();
    });
  }
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(setuid(getuid()), 0);
    gosched();
  }
  all.wait();
}

TEST(Native, threads_of_the_program_wake_goroutines_on_idle_ps) {
  const Procs procs(4);
  constexpr int kEach = 1000;
  Chan<int> sums(4);
  std::mutex guard;
  std::condition_variable more;
  int produced = 0, consumed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const std::lock_guard lock(guard);
        ++produced;
        more.notify_one();
      }
    });
  }
  go([&, sums]() mutable {
    std::unique_lock lock(guard);
    while (consumed < 4 * kEach) {
      more.wait(lock, [&] { return produced > consumed; });
      consumed = produced;
    }
    sums.send(consumed);
  });
  EXPECT_EQ(*sums.recv(), 4 * kEach);
  for (auto& thread : threads) thread.join();
}

TEST(Native, locked_goroutines_and_others_meet_on_channels) {
  const Procs procs(3);
  Chan<int> work, results;
  constexpr int kWorkers = 4, kItems = 400;
  for (int w = 0; w < kWorkers; ++w) {
    go([=]() mutable {
      lock_os_thread();
      const pid_t mine = static_cast<pid_t>(syscall(SYS_gettid));
      for (int v : work) {
        EXPECT_EQ(syscall(SYS_gettid), mine);
        results.send(v);
      }
    });
  }
  go([=]() mutable {
    for (int i = 0; i < kItems; ++i) work.send(i);
    work.close();
  });
  int sum = 0;
  for (int i = 0; i < kItems; ++i) sum += *results.recv();
  EXPECT_EQ(sum, kItems * (kItems - 1) / 2);
  while (num_goroutine() > 1) gosched();
}

}  // namespace
}  // namespace reprise::rt
