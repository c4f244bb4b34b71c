// Mutex, RWMutex, WaitGroup, Cond, Once, Semaphore, Atomic.
#include <reprise/sync.h>

#include <gtest/gtest.h>
#include <reprise/atomic.h>
#include <reprise/context.h>
#include <reprise/go.h>
#include <reprise/semaphore.h>
#include <reprise/time.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "tests/support/schedules.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::under_schedules;

// ---- Mutex -------------------------------------------------------------------------------------

Mutex static_mutex;  // usable without the runtime having seen its construction

TEST(Mutex, excludes) {
  under_schedules(50, [] {
    Mutex mutex;
    int inside = 0, total = 0;
    for (int i = 0; i < 5; ++i) {
      go([&] {
        for (int k = 0; k < 10; ++k) {
          const std::lock_guard guard(mutex);
          ASSERT_EQ(++inside, 1);
          yield();
          --inside;
          ++total;
        }
      });
    }
    test::expect_alone();
    ASSERT_EQ(total, 50);
  });
}

TEST(Mutex, of_static_storage_excludes) {
  under_schedules(10, [] {
    int inside = 0;
    for (int i = 0; i < 3; ++i) {
      go([&] {
        const std::lock_guard guard(static_mutex);
        ASSERT_EQ(++inside, 1);
        yield();
        --inside;
      });
    }
    test::expect_alone();
  });
}

TEST(Mutex, try_lock_fails_while_held) {
  Mutex mutex;
  EXPECT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.unlock();
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(Mutex, another_goroutine_may_unlock) {
  under_schedules(20, [] {
    Mutex mutex;
    mutex.lock();
    go([&] { mutex.unlock(); });
    mutex.lock();
    mutex.unlock();
    test::expect_alone();
  });
}

// A goroutine that takes the mutex again at once, as long as it can, would keep the waiter out for
// ever were it not for starvation mode.
TEST(Mutex, waiter_that_starves_gets_the_mutex) {
  const test::VirtualTime virtual_time;
  Mutex mutex;
  bool served = false;
  mutex.lock();
  go([&] {
    const std::lock_guard guard(mutex);
    served = true;
  });
  yield();
  int rounds = 0;
  while (!served && rounds < 1000) {
    sleep_for(2ms);  // longer than a waiter has to bear
    mutex.unlock();
    mutex.lock();
    ++rounds;
  }
  mutex.unlock();
  EXPECT_TRUE(served);
  EXPECT_LT(rounds, 5);
  test::expect_alone();
}

TEST(MutexDeathTest, unlock_of_unlocked_is_fatal) {
  Mutex mutex;
  EXPECT_EXIT(mutex.unlock(), testing::ExitedWithCode(2),
              "fatal error: sync: unlock of unlocked mutex");
}

// ---- RWMutex -----------------------------------------------------------------------------------

TEST(RWMutex, readers_share_and_writers_exclude) {
  std::atomic<int> most_readers = 0;  // over all schedules
  under_schedules(50, [&] {
    RWMutex mutex;
    std::atomic<int> readers = 0;
    int writers = 0;
    for (int i = 0; i < 4; ++i) {
      go([&] {
        for (int k = 0; k < 5; ++k) {
          const std::shared_lock guard(mutex);
          const int now = ++readers;
          int before = most_readers;
          while (before < now && !most_readers.compare_exchange_weak(before, now)) {
          }
          ASSERT_EQ(writers, 0);
          yield();
          --readers;
        }
      });
    }
    for (int i = 0; i < 2; ++i) {
      go([&] {
        for (int k = 0; k < 5; ++k) {
          const std::lock_guard guard(mutex);
          ASSERT_EQ(++writers, 1);
          ASSERT_EQ(readers.load(), 0);
          yield();
          --writers;
        }
      });
    }
    test::expect_alone();
  });
  EXPECT_GT(most_readers.load(), 1);
}

TEST(RWMutex, two_readers_are_in_at_once) {
  RWMutex mutex;
  mutex.rlock();
  std::atomic<bool> in = false;
  go([&] {
    mutex.rlock();
    in = true;
    mutex.runlock();
  });
  while (!in) yield();
  mutex.runlock();
  test::expect_alone();
}

TEST(RWMutex, writer_that_waits_keeps_new_readers_out) {
  const test::InOrder in_order;
  RWMutex mutex;
  std::string order;
  mutex.rlock();
  go([&] {
    mutex.lock();
    order += 'w';
    mutex.unlock();
  });
  yield();
  go([&] {
    mutex.rlock();
    order += 'r';
    mutex.runlock();
  });
  yield();
  EXPECT_EQ(order, "");
  EXPECT_FALSE(mutex.try_rlock());
  mutex.runlock();
  test::expect_alone();
  EXPECT_EQ(order, "wr");
}

TEST(RWMutex, try_locks_respect_each_other) {
  RWMutex mutex;
  EXPECT_TRUE(mutex.try_rlock());
  EXPECT_TRUE(mutex.try_rlock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.runlock();
  mutex.runlock();
  EXPECT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_rlock());
  mutex.unlock();
}

TEST(RWMutexDeathTest, unlock_of_unlocked_is_fatal) {
  RWMutex mutex;
  EXPECT_EXIT(mutex.unlock(), testing::ExitedWithCode(2),
              "fatal error: sync: Unlock of unlocked RWMutex");
  EXPECT_EXIT(mutex.runlock(), testing::ExitedWithCode(2),
              "fatal error: sync: RUnlock of unlocked RWMutex");
  mutex.rlock();
  EXPECT_EXIT(mutex.unlock(), testing::ExitedWithCode(2),
              "fatal error: sync: Unlock of unlocked RWMutex");
  mutex.runlock();
}

// ---- WaitGroup ---------------------------------------------------------------------------------

TEST(WaitGroup, waits_for_everybody_and_can_be_used_again) {
  under_schedules(30, [] {
    WaitGroup wg;
    for (int round = 0; round < 3; ++round) {
      std::atomic<int> done = 0;
      wg.add(10);
      for (int i = 0; i < 10; ++i) {
        go([=, &done]() mutable {
          yield();
          ++done;
          wg.done();
        });
      }
      wg.wait();
      ASSERT_EQ(done.load(), 10);
    }
  });
}

TEST(WaitGroup, wakes_every_waiter) {
  under_schedules(30, [] {
    WaitGroup wg(1);
    std::atomic<int> woken = 0;
    for (int i = 0; i < 5; ++i) {
      go([=, &woken]() mutable {
        wg.wait();
        ++woken;
      });
    }
    yield();
    wg.done();
    test::expect_alone();
    ASSERT_EQ(woken.load(), 5);
  });
}

TEST(WaitGroup, of_zero_does_not_wait) { WaitGroup().wait(); }

TEST(WaitGroup, waiter_outlives_every_other_handle) {
  const test::InOrder in_order;
  auto wg = std::make_unique<WaitGroup>(1);
  bool through = false;
  go([&, raw = wg.get()] {
    raw->wait();
    through = true;
  });
  yield();
  WaitGroup last = *wg;
  wg.reset();
  last.done();
  last = WaitGroup();
  test::expect_alone();
  EXPECT_TRUE(through);
}

TEST(WaitGroupDeathTest, negative_counter_panics) {
  WaitGroup wg(1);
  wg.done();
  EXPECT_EXIT(wg.done(), testing::ExitedWithCode(2), "panic: sync: negative WaitGroup counter");
}

TEST(WaitGroupDeathTest, reuse_before_the_last_wait_has_returned_panics) {
  WaitGroup wg(1);
  EXPECT_EXIT(
      {
        const test::InOrder in_order;
        go([=]() mutable { wg.wait(); });
        yield();
        wg.done();
        wg.add(1);  // the waiter is awake but has not run yet
        yield();
      },
      testing::ExitedWithCode(2), "WaitGroup is reused before previous Wait has returned");
}

TEST(WaitGroupDeathTest, waiting_for_a_goroutine_that_never_comes_is_a_deadlock) {
  EXPECT_EXIT(WaitGroup(1).wait(), testing::ExitedWithCode(2), "sync.WaitGroup.Wait");
}

// ---- Cond --------------------------------------------------------------------------------------

TEST(Cond, signal_wakes_one_and_broadcast_all) {
  under_schedules(30, [] {
    Mutex mutex;
    Cond cond(mutex);
    int waiting = 0, woken = 0;
    for (int i = 0; i < 5; ++i) {
      go([&] {
        const std::lock_guard guard(mutex);
        ++waiting;
        cond.wait();
        ++woken;
      });
    }
    const auto count = [&](const int& n) {
      const std::lock_guard guard(mutex);
      return n;
    };
    while (count(waiting) < 5) yield();
    cond.signal();
    while (count(woken) < 1) yield();
    for (int i = 0; i < 100; ++i) yield();
    ASSERT_EQ(count(woken), 1);
    cond.broadcast();
    test::expect_alone();
    ASSERT_EQ(woken, 5);
  });
}

TEST(Cond, waiters_are_signalled_in_order_of_arrival) {
  const test::InOrder in_order;
  Mutex mutex;
  Cond cond(mutex);
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    go([&, i] {
      const std::lock_guard guard(mutex);
      cond.wait();
      order.push_back(i);
    });
  }
  yield();
  for (int i = 0; i < 5; ++i) cond.signal();
  test::expect_alone();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Cond, signal_without_waiters_is_forgotten) {
  const test::InOrder in_order;
  Mutex mutex;
  Cond cond(mutex);
  cond.signal();
  cond.broadcast();
  bool woken = false;
  go([&] {
    const std::lock_guard guard(mutex);
    cond.wait();
    woken = true;
  });
  for (int i = 0; i < 10; ++i) yield();
  EXPECT_FALSE(woken);
  cond.signal();
  test::expect_alone();
}

TEST(Cond, bounded_queue_keeps_everything_in_order) {
  under_schedules(50, [] {
    Mutex mutex;
    Cond changed(mutex);
    std::vector<int> queue, taken;
    go([&] {
      for (int i = 0; i < 20; ++i) {
        const std::lock_guard guard(mutex);
        changed.wait([&] { return queue.size() < 2; });
        queue.push_back(i);
        changed.broadcast();
      }
    });
    for (int i = 0; i < 20; ++i) {
      const std::lock_guard guard(mutex);
      changed.wait([&] { return !queue.empty(); });
      taken.push_back(queue.front());
      queue.erase(queue.begin());
      changed.broadcast();
    }
    for (int i = 0; i < 20; ++i) ASSERT_EQ(taken[static_cast<size_t>(i)], i);
  });
}

// ---- Once --------------------------------------------------------------------------------------

TEST(Once, runs_once_and_everybody_waits_for_it) {
  under_schedules(50, [] {
    Once once;
    int runs = 0;
    bool finished = false;
    for (int i = 0; i < 5; ++i) {
      go([&] {
        once.call([&] {
          ++runs;
          yield();
          finished = true;
        });
        ASSERT_TRUE(finished);
      });
    }
    test::expect_alone();
    ASSERT_EQ(runs, 1);
  });
}

TEST(Once, function_that_throws_counts_as_done) {
  Once once;
  EXPECT_THROW(once.call([] { throw std::string("x"); }), std::string);
  once.call([] { FAIL(); });
}

// ---- Semaphore ---------------------------------------------------------------------------------

TEST(Semaphore, never_gives_out_more_than_it_has) {
  under_schedules(50, [] {
    Semaphore semaphore(5);
    std::atomic<int64_t> taken = 0;
    for (int64_t n = 1; n <= 5; ++n) {
      go([&, n] {
        for (int k = 0; k < 5; ++k) {
          semaphore.acquire(n);
          taken += n;
          ASSERT_LE(taken.load(), 5);
          yield();
          taken -= n;
          semaphore.release(n);
        }
      });
    }
    test::expect_alone();
    ASSERT_EQ(taken.load(), 0);
  });
}

TEST(Semaphore, large_request_is_not_overtaken) {
  const test::InOrder in_order;
  Semaphore semaphore(3);
  std::string order;
  semaphore.acquire(2);
  go([&] {
    semaphore.acquire(3);
    order += 'L';
    semaphore.release(3);
  });
  yield();
  go([&] {
    semaphore.acquire(1);
    order += 's';
    semaphore.release(1);
  });
  yield();
  EXPECT_EQ(order, "");
  EXPECT_FALSE(semaphore.try_acquire(1));
  semaphore.release(2);
  test::expect_alone();
  EXPECT_EQ(order, "Ls");
}

TEST(Semaphore, cancelled_acquire_takes_nothing) {
  under_schedules(50, [] {
    Semaphore semaphore(1);
    semaphore.acquire();
    auto [ctx, cancel] = with_cancel(background());
    bool got = true;
    go([&, ctx = ctx] { got = semaphore.acquire(ctx); });
    yield();
    cancel();
    test::expect_alone();
    ASSERT_FALSE(got);
    semaphore.release();
    ASSERT_TRUE(semaphore.try_acquire());
    ASSERT_FALSE(semaphore.acquire(ctx));
  });
}

TEST(Semaphore, acquire_with_a_context_is_served) {
  under_schedules(50, [] {
    Semaphore semaphore(1);
    semaphore.acquire();
    auto [ctx, cancel] = with_cancel(background());
    bool got = false;
    go([&, ctx = ctx] { got = semaphore.acquire(ctx); });
    yield();
    semaphore.release();
    test::expect_alone();
    ASSERT_TRUE(got);
    ASSERT_FALSE(semaphore.try_acquire());
    cancel();
  });
}

// Served and cancelled at once: whatever acquire() says, the count must agree with it.
TEST(Semaphore, release_that_races_with_cancel_loses_no_token) {
  under_schedules(200, [] {
    Semaphore semaphore(1);
    semaphore.acquire();
    auto [ctx, cancel] = with_cancel(background());
    go([&, ctx = ctx] {
      if (semaphore.acquire(ctx)) semaphore.release();
    });
    go([&] { semaphore.release(); });
    go([cancel = cancel] { cancel(); });
    test::expect_alone();
    ASSERT_TRUE(semaphore.try_acquire());
  });
}

TEST(SemaphoreDeathTest, releasing_more_than_held_panics) {
  Semaphore semaphore(2);
  semaphore.acquire();
  EXPECT_EXIT(semaphore.release(2), testing::ExitedWithCode(2), "released more than held");
}

// ---- Atomic ------------------------------------------------------------------------------------

TEST(Atomic, counts_every_increment) {
  under_schedules(30, [] {
    Atomic<int> n = 0;
    for (int i = 0; i < 5; ++i) {
      go([&] {
        for (int k = 0; k < 10; ++k) ++n;
      });
    }
    test::expect_alone();
    ASSERT_EQ(n, 50);
  });
}

TEST(Atomic, operations_do_what_their_names_say) {
  Atomic<int> n;
  EXPECT_EQ(n.load(), 0);
  n = 6;
  EXPECT_EQ(n.exchange(5), 6);
  int expected = 4;
  EXPECT_FALSE(n.compare_exchange(expected, 9));
  EXPECT_EQ(expected, 5);
  EXPECT_TRUE(n.compare_exchange(expected, 9));
  EXPECT_EQ(n.fetch_and(12), 9);
  EXPECT_EQ(n.fetch_or(3), 8);
  EXPECT_EQ(n.fetch_xor(1), 11);
  EXPECT_EQ(n += 5, 15);
  EXPECT_EQ(n -= 1, 14);
  EXPECT_EQ(n++, 14);
  EXPECT_EQ(--n, 14);
}

// A read and a write that are two operations lose updates under some schedule: that is what makes
// each of them a scheduling point. Under `random` a run keeps every update with a probability well
// below one half, so 200 seeds all do with one below 1e-60.
TEST(Atomic, every_operation_is_a_scheduling_point) {
  int lost = 0;
  under_schedules(200, [&] {
    Atomic<int> n = 0;
    for (int i = 0; i < 3; ++i) {
      go([&] {
        for (int k = 0; k < 3; ++k) n.store(n.load() + 1);
      });
    }
    test::expect_alone();
    if (n.load() != 9) ++lost;
  });
  EXPECT_GT(lost, 0);
}

}  // namespace
}  // namespace reprise
