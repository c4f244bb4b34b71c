// Timers in native mode: heaps of several Ps, of Ps that are no more, stops from elsewhere.
#include <gtest/gtest.h>
#include <reprise/reprise.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "tests/support/procs.h"

namespace reprise {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

using test::Procs;

// Spread over the Ps by stealing; afterwards all but one P is gone, and that one never idle.
TEST(NativeTimers, timers_of_a_P_that_was_taken_away_fire) {
  const Procs procs(4);
  constexpr int kSleepers = 200;
  std::atomic<int> asleep{0}, woken{0};
  WaitGroup all;
  for (int i = 0; i < kSleepers; ++i) {
    all.add(1);
    go([&] {
      ++asleep;
      sleep_for(milliseconds(20));
      ++woken;
      all.done();
    });
  }
  while (asleep < kSleepers) yield();
  gomaxprocs(1);
  while (woken < kSleepers) yield();
  all.wait();
  gomaxprocs(4);
  EXPECT_EQ(woken, kSleepers);
}

TEST(NativeTimers, earlier_timer_ends_the_sleep_of_who_waits_for_a_later_one) {
  const Procs procs(4);
  const Timer late(hours(1));
  for (int i = 0; i < 50; ++i) {
    const Chan<Unit> fired;
    go([fired] {
      sleep_for(microseconds(200));
      fired.send({});
    });
    fired.recv();
  }
  Timer stopped = late;
  EXPECT_TRUE(stopped.stop());
}

// Whoever is first has it: a timer fires or is stopped, never both, never neither.
TEST(NativeTimers, timer_that_fires_while_another_goroutine_stops_it_does_one_of_both) {
  const Procs procs(4);
  constexpr int kTimers = 2000;
  std::atomic<int> fired{0}, stopped{0};
  WaitGroup all;
  for (int i = 0; i < kTimers; ++i) {
    all.add(1);
    go([&, i] {
      Timer timer = after_func(microseconds(i % 7 * 10), [&] {
        ++fired;
        all.done();
      });
      if (i % 3 == 0) yield();
      if (timer.stop()) {
        ++stopped;
        all.done();
      }
    });
  }
  all.wait();
  EXPECT_EQ(fired + stopped, kTimers);
}

// A value belongs to the last reset: it is not from before that one's moment, and there is one.
TEST(NativeTimers, timer_that_is_moved_to_and_fro_fires_once_and_not_before_its_last_moment) {
  const Procs procs(4);
  constexpr int kGoroutines = 8, kRounds = 1500;
  std::atomic<int> early{0}, twice{0};
  WaitGroup all;
  for (int g = 0; g < kGoroutines; ++g) {
    all.add(1);
    go([&, g] {
      Timer timer(hours(1));
      for (int i = 0; i < kRounds; ++i) {
        TimePoint last;
        for (int k = 0; k <= i % 5; ++k) {
          const Duration ahead = (i + k) % 3 == 2 ? Duration(milliseconds(50)) : Duration(microseconds((i * 7 + k * 31 + g) % 120));
          last = now() + ahead;
          timer.reset(ahead);
          if ((i + k) % 4 == 0) yield();
        }
        if (last > now() + milliseconds(10)) {
          last = now() + microseconds(20);
          timer.reset(microseconds(20));
        }
        early += *timer.chan().recv() < last;
        twice += timer.stop();
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(early, 0);
  EXPECT_EQ(twice, 0);
}

// The heap finds a timer that was moved on, and follows it, while it is moved back.
TEST(NativeTimers, timer_that_is_moved_back_while_its_heap_follows_it_fires_in_time) {
  const Procs procs(4);
  constexpr int kGoroutines = 6, kRounds = 1000;
  std::atomic<int> fired{0};
  WaitGroup all;
  for (int g = 0; g < kGoroutines; ++g) {
    all.add(1);
    go([&, g] {
      for (int i = 0; i < kRounds; ++i) {
        Timer timer(microseconds(20));
        timer.reset(hours(1));
        const TimePoint follows = now() + microseconds(15 + (i + g) % 10);
        while (now() < follows) {
        }
        timer.reset(microseconds(30));
        timer.chan().recv();
        ++fired;
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(fired, kGoroutines * kRounds);
}

// Several goroutines move one timer; it fires once after the last of them.
TEST(NativeTimers, timer_that_many_move_fires_once) {
  const Procs procs(4);
  for (int round = 0; round < 300; ++round) {
    std::atomic<int> fired{0};
    Timer timer = after_func(hours(3), [&] { ++fired; });
    WaitGroup all;
    for (int g = 0; g < 4; ++g) {
      all.add(1);
      go([&, g] {
        for (int i = 0; i < 20; ++i) timer.reset(hours(1 + (i * 13 + g * 7) % 9));
        all.done();
      });
    }
    all.wait();
    EXPECT_EQ(fired, 0);
    EXPECT_TRUE(timer.reset(microseconds(50)));
    while (fired == 0) yield();
    EXPECT_FALSE(timer.stop());
    EXPECT_EQ(fired, 1);
  }
}

#ifndef REPRISE_SANITIZED  // interposition is compiled out there
// The deadline's timer may fire on another M before its goroutine is queued.
TEST(NativeTimers, wait_of_libcs_with_a_deadline_that_is_just_now_ends) {
  const Procs procs(4);
  std::atomic<int> timed_out{0};
  WaitGroup all;
  constexpr int kWaiters = 8, kRounds = 300;
  for (int i = 0; i < kWaiters; ++i) {
    all.add(1);
    go([&, i] {
      std::mutex m;
      std::condition_variable never;
      for (int k = 0; k < kRounds; ++k) {
        std::unique_lock lock(m);
        timed_out += never.wait_for(lock, microseconds((i + k) % 5)) == std::cv_status::timeout;
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(timed_out, kWaiters * kRounds);
}
#endif

}  // namespace
}  // namespace reprise
