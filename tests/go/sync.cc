// Go's sync tests: mutex, rwmutex, waitgroup, cond, once. Misuse, which ends the process, is in
// endings.cc.
#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "runtime/sched/sema.h"
#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::must_not_happen;
using test::nothing;
using test::rounds;
using test::until;

template <class F>
void spawn_and_wait(int n, F f) {
  WaitGroup done(n);
  for (int i = 0; i < n; ++i) {
    go([=]() mutable {
      f(i);
      done.done();
    });
  }
  done.wait();
}

// ---- mutex_test ------------------------------------------------------------------------------------

TEST(RuntimeSemaphore, ten_goroutines_take_and_give_back_one_token) {
  std::atomic<uint32_t> sema{1};
  int inside = 0;
  spawn_and_wait(10, [&](int) {
    for (int i = 0; i < rounds(1000, 100); ++i) {
      rt::semacquire(&sema);
      EXPECT_EQ(++inside, 1);
      --inside;
      rt::semrelease(&sema);
    }
  });
  EXPECT_EQ(sema, 1u);
}

TEST(Mutex, try_lock_tells_whether_it_is_free) {
  Mutex mutex;
  mutex.lock();
  EXPECT_FALSE(mutex.try_lock());
  mutex.unlock();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(Mutex, ten_goroutines_lock_and_try_to_lock_without_meeting_inside) {
  Mutex mutex;
  int inside = 0, locked = 0;
  spawn_and_wait(10, [&](int) {
    for (int i = 0; i < rounds(1000, 100); ++i) {
      if (i % 3 != 0) {
        mutex.lock();
      } else if (!mutex.try_lock()) {
        continue;
      }
      EXPECT_EQ(++inside, 1);
      ++locked;
      --inside;
      mutex.unlock();
    }
  });
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
  EXPECT_GE(locked, 10 * (rounds(1000, 100) * 2 / 3));
}

// A hog that gives the mutex up for an instant only, where newcomers have the advantage.
TEST(Mutex, goroutine_that_sleeps_between_its_locks_is_not_starved) {
  Mutex mutex;
  const Chan<Unit> stop;
  go([&mutex, stop] {
    do {
      mutex.lock();
      sleep_for(100us);
      mutex.unlock();
      bool ended = false;
      stop.try_recv(&ended);
      if (ended) return;
    } while (true);
  });
  for (int i = 0; i < 10; ++i) {
    sleep_for(100us);
    mutex.lock();
    mutex.unlock();
  }
  stop.close();
  until([] { return num_goroutine() == 1; });  // it refers to the mutex
}

// ---- rwmutex_test ----------------------------------------------------------------------------------

void check_parallel_readers(int readers) {
  RWMutex mutex;
  const Chan<Unit> locked, unlock, done;
  for (int i = 0; i < readers; ++i) {
    go([=, &mutex] {
      mutex.rlock();
      locked.send({});
      unlock.recv();
      mutex.runlock();
      done.send({});
    });
  }
  for (int i = 0; i < readers; ++i) locked.recv();  // all are in at once
  for (int i = 0; i < readers; ++i) unlock.send({});
  for (int i = 0; i < readers; ++i) done.recv();
}

TEST(RWMutex, one_reader_is_in) { check_parallel_readers(1); }
TEST(RWMutex, three_readers_are_in_at_once) { check_parallel_readers(3); }
TEST(RWMutex, ten_readers_are_in_at_once) { check_parallel_readers(10); }

TEST(RWMutex, locked_for_writing_refuses_readers_and_writers) {
  RWMutex mutex;
  mutex.lock();
  EXPECT_FALSE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_rlock());
  mutex.unlock();
}

TEST(RWMutex, unlocked_takes_a_writer_or_a_reader) {
  RWMutex mutex;
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
  EXPECT_TRUE(mutex.try_rlock());
  mutex.runlock();
}

TEST(RWMutex, locked_for_reading_takes_more_readers_and_no_writer) {
  RWMutex mutex;
  EXPECT_TRUE(mutex.try_rlock());
  EXPECT_TRUE(mutex.try_rlock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.runlock();
  mutex.runlock();
}

// Two writers and some readers; `activity` counts readers inside, and ten thousand a writer.
void hammer(int readers) {
  constexpr int kWriter = 10'000;
  const int n = rounds(1000, 10);
  RWMutex mutex;
  Atomic<int> activity;
  spawn_and_wait(readers + 2, [&](int who) {
    for (int i = 0; i < n; ++i) {
      if (who < 2) {
        mutex.lock();
        EXPECT_EQ(activity += kWriter, kWriter);
        EXPECT_EQ(activity += -kWriter, 0);
        mutex.unlock();
      } else {
        mutex.rlock();
        const int inside = ++activity;
        EXPECT_GE(inside, 1);
        EXPECT_LE(inside, readers);
        --activity;
        mutex.runlock();
      }
    }
  });
}

TEST(RWMutex, writers_exclude_one_reader) { hammer(1); }
TEST(RWMutex, writers_exclude_three_readers) { hammer(3); }
TEST(RWMutex, writers_exclude_ten_readers) { hammer(10); }

TEST(RWMutex, its_readers_side_locks_for_reading) {
  RWMutex mutex;
  RWMutex::RLocker reading = mutex.rlocker();
  const Chan<Unit> write_locked(1), read_locked(1);
  constexpr int kRounds = 10;
  WaitGroup done(1);
  go([&mutex, &reading, write_locked, read_locked, done]() mutable {
    for (int i = 0; i < kRounds; ++i) {
      reading.lock();
      reading.lock();
      read_locked.send({});
      mutex.lock();
      write_locked.send({});
    }
    done.done();
  });
  for (int i = 0; i < kRounds; ++i) {
    read_locked.recv();
    reading.unlock();
    EXPECT_FALSE(write_locked.try_recv()) << "a writer beside a reader";
    reading.unlock();
    write_locked.recv();
    EXPECT_FALSE(read_locked.try_recv()) << "a reader beside a writer";
    mutex.unlock();
  }
  done.wait();
}

// ---- waitgroup_test --------------------------------------------------------------------------------

// Nobody passes `second` before all are past `first`.
void check_barrier(WaitGroup first, WaitGroup second) {
  constexpr int kGoroutines = 16;
  first.add(kGoroutines);
  second.add(kGoroutines);
  const Chan<Unit> exited(kGoroutines);
  for (int i = 0; i < kGoroutines; ++i) {
    go([=]() mutable {
      first.done();
      second.wait();
      exited.send({});
    });
  }
  first.wait();
  for (int i = 0; i < kGoroutines; ++i) {
    EXPECT_FALSE(exited.try_recv()) << "released too soon";
    second.done();
  }
  for (int i = 0; i < kGoroutines; ++i) exited.recv();
}

TEST(WaitGroup, releases_all_who_wait_when_the_last_is_done_and_can_be_used_again) {
  WaitGroup first, second;
  for (int i = 0; i < rounds(8, 3); ++i) check_barrier(first, second);
}

TEST(WaitGroup, wait_returns_after_everything_is_done) {
  for (int i = 0; i < rounds(1000, 100); ++i) {
    WaitGroup group;
    Atomic<int> n;
    for (int k = 0; k < 2; ++k) {
      group.add(1);
      go([&n, group]() mutable {
        ++n;
        group.done();
      });
    }
    group.wait();
    EXPECT_EQ(n, 2);
  }
}

TEST(WaitGroup, member_behind_a_byte_works) {
  struct Behind {
    char first = 0;
    WaitGroup group{1};
  };
  Behind behind;
  go([&] { behind.group.done(); });
  behind.group.wait();
}

// ---- cond_test -------------------------------------------------------------------------------------

TEST(Cond, signal_wakes_one_of_those_who_wait) {
  constexpr int kWaiters = 2;
  Mutex mutex;
  Cond cond(mutex);
  const Chan<Unit> running(kWaiters), awake(kWaiters);
  for (int i = 0; i < kWaiters; ++i) {
    go([&, running, awake] {
      mutex.lock();
      running.send({});
      cond.wait();
      awake.send({});
      mutex.unlock();
    });
  }
  for (int i = 0; i < kWaiters; ++i) running.recv();
  for (int i = 0; i < kWaiters; ++i) {
    EXPECT_FALSE(awake.try_recv()) << "not asleep";
    mutex.lock();
    cond.signal();
    mutex.unlock();
    awake.recv();
    EXPECT_FALSE(awake.try_recv()) << "too many are awake";
  }
  cond.signal();
  until([] { return num_goroutine() == 1; });
}

TEST(Cond, signal_reaches_who_waits_and_nobody_who_waits_later) {
  const int n = rounds(100, 75);
  Mutex mutex;
  Cond cond(mutex);
  const Chan<Unit> running(n);
  const Chan<int> awake(n);
  for (int i = 0; i < n; ++i) {
    go([&, running, awake, i] {
      mutex.lock();
      running.send({});
      cond.wait();
      awake.send(i);
      mutex.unlock();
    });
    EXPECT_TRUE(i == 0 || awake.recv() == i - 1);
    running.recv();
    mutex.lock();
    cond.signal();
    mutex.unlock();
  }
  EXPECT_EQ(awake.recv(), n - 1);
  until([] { return num_goroutine() == 1; });
}

TEST(Cond, broadcast_wakes_everybody_once) {
  const int n = rounds(50, 6);
  Mutex mutex;
  Cond cond(mutex);
  const Chan<int> running(n), awake(n);
  bool leave = false;
  for (int who = 0; who < n; ++who) {
    go([&, running, awake, who] {
      const std::lock_guard guard(mutex);
      while (!leave) {
        running.send(who);
        cond.wait();
        awake.send(who);
      }
    });
  }
  for (int round = 0; round < n; ++round) {
    for (int i = 0; i < n; ++i) running.recv();
    EXPECT_FALSE(awake.try_recv()) << "not asleep";
    mutex.lock();
    leave = round == n - 1;
    cond.broadcast();
    mutex.unlock();
    std::vector<int> woken(n);
    for (int i = 0; i < n; ++i) ++woken[*awake.recv()];
    EXPECT_EQ(woken, std::vector<int>(n, 1));
  }
  EXPECT_FALSE(running.try_recv()) << "somebody did not leave";
  cond.broadcast();
  until([] { return num_goroutine() == 1; });
}

TEST(Cond, what_is_changed_before_the_signal_is_seen_after_the_wait) {
  Mutex mutex;
  Cond cond(mutex);
  int x = 0;
  const auto yield_unlocked = [&] {
    mutex.unlock();
    yield();
    mutex.lock();
  };
  spawn_and_wait(3, [&](int who) {
    const std::lock_guard guard(mutex);
    if (who == 0) {
      x = 1;
      cond.wait();
      EXPECT_EQ(x, 2);
      x = 3;
      cond.signal();
    } else if (who == 1) {
      while (x != 1) yield_unlocked();
      x = 2;
      cond.signal();
    } else {
      while (x < 2) yield_unlocked();
      if (x == 3) return;
      cond.wait();
      EXPECT_EQ(x, 3);
    }
  });
}

TEST(Cond, newcomer_does_not_steal_the_broadcast_of_who_waits) {
  for (int i = 0; i < rounds(500, 100); ++i) {
    Mutex mutex;
    Cond cond(mutex);
    const Chan<Unit> step;
    bool done = false;
    go([&, step] {
      mutex.lock();
      step.send({});
      cond.wait();
      mutex.unlock();
      step.send({});
    });
    step.recv();
    mutex.lock();  // once it is free, the first one waits
    mutex.unlock();
    WaitGroup others(2);
    go([&, others]() mutable {
      cond.broadcast();
      others.done();
    });
    go([&, others]() mutable {
      mutex.lock();
      while (!done) cond.wait();
      mutex.unlock();
      others.done();
    });
    step.recv();  // for ever, if the broadcast went elsewhere
    mutex.lock();
    done = true;
    mutex.unlock();
    cond.broadcast();
    others.wait();
  }
}

TEST(Cond, works_with_the_readers_side_of_an_rwmutex) {
  RWMutex mutex;
  RWMutex::RLocker reading = mutex.rlocker();
  Cond cond(reading);
  bool ready = false;
  WaitGroup done(1);
  go([&, done]() mutable {
    reading.lock();
    cond.wait([&] { return ready; });
    reading.unlock();
    done.done();
  });
  mutex.lock();
  ready = true;
  mutex.unlock();
  cond.broadcast();
  done.wait();
}

TEST(Cond, cannot_be_copied) {
  static_assert(!std::is_copy_constructible_v<Cond<>> && !std::is_copy_assignable_v<Cond<>>);
}

// ---- once_test -------------------------------------------------------------------------------------

TEST(Once, of_many_callers_one_runs_it_and_all_see_it_done) {
  Once once;
  int runs = 0;
  spawn_and_wait(10, [&](int) {
    once.call([&] { ++runs; });
    EXPECT_EQ(runs, 1);
  });
  EXPECT_EQ(runs, 1);
}

TEST(Once, function_that_throws_is_not_run_again) {
  Once once;
  EXPECT_THROW(once.call([] { throw std::runtime_error("failed"); }), std::runtime_error);
  once.call([] { ADD_FAILURE() << "run twice"; });
}

TEST(Once, goroutine_that_ends_inside_counts_as_done) {
  Once once;
  WaitGroup done(1);
  go([&once, done]() mutable {
    struct Done {
      WaitGroup group;
      ~Done() { group.done(); }
    } ends{done};
    once.call([] { goexit(); });
  });
  done.wait();
  once.call([] { ADD_FAILURE() << "run twice"; });
}

}  // namespace
}  // namespace reprise
