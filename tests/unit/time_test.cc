// Sleeping, timers, tickers: order and clearing under a virtual clock, lower bounds under the real
// one. No upper bound is asserted anywhere.
#include <reprise/time.h>

#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/select.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sched/idle.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer.h"
#include "tests/support/schedules.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::under_schedules;
using test::VirtualTime;

// ---- the real clock ----------------------------------------------------------------------------

TEST(RealTime, sleeps_last_at_least_as_long_as_asked_for) {
  const TimePoint start = now();
  sleep_for(3ms);
  EXPECT_GE(now() - start, 3ms);
  const TimePoint deadline = now() + 2ms;
  sleep_until(deadline);
  EXPECT_GE(now(), deadline);
}

TEST(RealTime, sleep_after_a_long_computation_is_counted_from_its_own_start) {
  const TimePoint start = now();
  while (now() - start < 5ms) {
  }
  const TimePoint before = now();
  sleep_for(2ms);
  EXPECT_GE(now() - before, 2ms);
}

TEST(RealTime, others_run_while_one_sleeps) {
  int turns = 0;
  std::atomic<bool> awake = false;
  go([&] {
    sleep_for(1ms);
    awake = true;
  });
  while (!awake) {
    ++turns;
    yield();
  }
  EXPECT_GT(turns, 0);
  test::expect_alone();
}

TEST(RealTime, timers_fire_and_tickers_tick) {
  EXPECT_TRUE(after(1ms).recv());
  Ticker ticker(1ms);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ticker.chan().recv());
}

TEST(RealTime, wall_clock_is_the_systems) {
  const auto before = std::chrono::system_clock::now() - 1h;
  EXPECT_GT(wall_now(), before);
  EXPECT_LT(wall_now(), before + 2h);
}

// ---- the virtual clock -------------------------------------------------------------------------

TEST(VirtualClock, waiting_takes_no_time_and_advances_exactly) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  sleep_for(1000h);
  EXPECT_EQ(now() - start, 1000h);
  EXPECT_EQ(wall_now().time_since_epoch().count() - rt::kVirtualEpochNs,
            std::chrono::nanoseconds(1000h).count());
}

TEST(VirtualClock, stands_still_while_anything_can_run) {
  const test::InOrder in_order;
  const VirtualTime virtual_time;
  const TimePoint start = now();
  bool awake = false;
  go([&] {
    sleep_for(1ns);
    awake = true;
  });
  for (int i = 0; i < 1000; ++i) yield();
  EXPECT_FALSE(awake);
  EXPECT_EQ(now(), start);
  sleep_for(1ns);
  test::expect_alone();
  EXPECT_TRUE(awake);
}

TEST(VirtualClock, sleepers_wake_in_order_of_deadline_then_of_starting) {
  const test::InOrder in_order;
  const VirtualTime virtual_time;
  std::vector<int> order;
  const int delays[] = {5, 3, 5, 1, 3};
  for (int i = 0; i < 5; ++i) {
    go([&, i] {
      sleep_for(std::chrono::milliseconds(delays[i]));
      order.push_back(i);
    });
  }
  sleep_for(10ms);
  EXPECT_EQ(order, (std::vector<int>{3, 1, 4, 0, 2}));
  test::expect_alone();
}

TEST(VirtualClock, sleepers_of_different_deadlines_keep_their_order_under_any_policy) {
  const VirtualTime virtual_time;
  under_schedules(50, [] {
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
      go([&, i] {
        sleep_for(std::chrono::milliseconds(10 * (5 - i)));
        order.push_back(i);
      });
    }
    sleep_for(1s);
    ASSERT_EQ(order, (std::vector<int>{4, 3, 2, 1, 0}));
  });
}

// Two timers due at once: `random` swaps them with probability near one half, so that 100 seeds
// never do has one below 1e-20.
TEST(VirtualClock, policy_chooses_among_timers_that_are_due_at_once) {
  const VirtualTime virtual_time;
  int in_order = 0, swapped = 0;
  under_schedules(100, [&] {
    Chan<char> order(2);
    const TimePoint when = now() + 1ms;
    const Timer a = after_func(when - now(), [&] { order.send('a'); });
    const Timer b = after_func(when - now(), [&] { order.send('b'); });
    sleep_for(2ms);
    test::expect_alone();
    ++(order.recv() == 'a' ? in_order : swapped);
  });
  EXPECT_GT(in_order, 0);
  EXPECT_GT(swapped, 0);
}

TEST(Sleep, of_no_length_returns_at_once) {
  const VirtualTime virtual_time;
  sleep_for(0ns);
  sleep_for(-1h);
  sleep_until(now() - 1h);
}

TEST(Sleep, a_thousand_sleepers_all_wake) {
  const VirtualTime virtual_time;
  std::atomic<int> awake = 0;
  for (int i = 0; i < 1000; ++i) {
    go([&, i] {
      sleep_for(std::chrono::microseconds((i * 7919) % 1000));
      ++awake;
    });
  }
  sleep_for(1s);
  EXPECT_EQ(awake.load(), 1000);
  test::expect_alone();
}

// ---- Timer -------------------------------------------------------------------------------------

TEST(Timer, sends_the_time_once) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  Timer timer(5ms);
  EXPECT_EQ(timer.chan().recv(), start + 5ms);
  sleep_for(1h);
  EXPECT_EQ(timer.chan().try_recv(), std::nullopt);
}

TEST(Timer, stopped_in_time_never_fires) {
  const VirtualTime virtual_time;
  Timer timer(5ms);
  EXPECT_TRUE(timer.stop());
  EXPECT_FALSE(timer.stop());
  sleep_for(10ms);
  EXPECT_EQ(timer.chan().try_recv(), std::nullopt);
}

TEST(Timer, stop_takes_back_a_value_that_was_not_received) {
  const VirtualTime virtual_time;
  Timer timer(5ms);
  sleep_for(10ms);
  EXPECT_TRUE(timer.stop());
  EXPECT_EQ(timer.chan().try_recv(), std::nullopt);
}

TEST(Timer, stop_after_the_value_was_received_says_so) {
  const VirtualTime virtual_time;
  Timer timer(5ms);
  timer.chan().recv();
  EXPECT_FALSE(timer.stop());
}

TEST(Timer, reset_forgets_the_earlier_setting) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  Timer timer(5ms);
  sleep_for(7ms);                    // fired, not received
  EXPECT_TRUE(timer.reset(20ms));
  EXPECT_EQ(timer.chan().recv(), start + 27ms);
  EXPECT_FALSE(timer.reset(1ms));
  EXPECT_EQ(timer.chan().recv(), start + 28ms);
}

TEST(Timer, reset_never_yields_a_stale_value_under_any_schedule) {
  const VirtualTime virtual_time;
  under_schedules(100, [] {
    const TimePoint start = now();
    Timer timer(1ms);
    go([] { sleep_for(1ms); });
    go([] { sleep_for(1ms); });
    sleep_for(1ms);
    timer.reset(10ms);
    ASSERT_GE(*timer.chan().recv(), start + 11ms);
  });
}

TEST(Timer, fires_though_nobody_holds_it) {
  const VirtualTime virtual_time;
  const Chan<TimePoint> ch = Timer(5ms).chan();
  EXPECT_TRUE(ch.recv());
}

TEST(Timer, of_the_far_future_saturates) {
  const VirtualTime virtual_time;
  Timer timer(Duration::max());
  EXPECT_TRUE(timer.stop());
}

// The scheduler would take a program whose goroutines all sleep so for one that is stuck.
TEST(Timer, that_never_fires_is_one_that_is_waited_for) {
  rt::Timer timer([](void*, uint64_t, int64_t) {}, nullptr);
  for (const auto start : {rt::timer_start, rt::timer_restart}) {
    start(&timer, INT64_MAX, 0);
    EXPECT_TRUE(rt::timers_pending());
  }
  EXPECT_TRUE(rt::timer_stop(&timer));
}

TEST(AfterFunc, runs_in_a_goroutine_of_its_own_and_may_block) {
  const VirtualTime virtual_time;
  under_schedules(30, [] {
    Chan<int> ch;
    after_func(5ms, [=] {
      ch.send(1);
      ch.send(2);
    });
    ASSERT_EQ(ch.recv(), 1);
    ASSERT_EQ(ch.recv(), 2);
  });
}

TEST(AfterFunc, stopped_in_time_never_runs_and_releases_what_it_holds) {
  const VirtualTime virtual_time;
  auto witness = std::make_shared<int>(0);
  {
    Timer timer = after_func(5ms, [witness] { FAIL(); });
    EXPECT_FALSE(timer.chan());
    EXPECT_TRUE(timer.stop());
    sleep_for(10ms);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(AfterFunc, runs_again_after_reset) {
  const VirtualTime virtual_time;
  int runs = 0;
  Timer timer = after_func(5ms, [&] { ++runs; });
  sleep_for(6ms);
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(timer.reset(5ms));
  EXPECT_TRUE(timer.reset(5ms));
  sleep_for(6ms);
  EXPECT_EQ(runs, 2);
  test::expect_alone();
}

TEST(AfterFunc, releases_what_it_holds_once_it_ran) {
  const VirtualTime virtual_time;
  auto witness = std::make_shared<int>(0);
  after_func(5ms, [witness] { ++*witness; });
  EXPECT_EQ(witness.use_count(), 2);
  sleep_for(10ms);
  test::expect_alone();
  EXPECT_EQ(*witness, 1);
  EXPECT_EQ(witness.use_count(), 1);
}

// ---- Ticker ------------------------------------------------------------------------------------

TEST(Ticker, ticks_at_multiples_of_its_period) {
  const VirtualTime virtual_time;
  under_schedules(20, [] {
    const TimePoint start = now();
    Ticker ticker(10ms);
    for (int i = 1; i <= 5; ++i) ASSERT_EQ(ticker.chan().recv(), start + i * 10ms);
  });
}

TEST(Ticker, drops_ticks_for_a_slow_receiver) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  Ticker ticker(10ms);
  sleep_for(55ms);
  EXPECT_EQ(ticker.chan().recv(), start + 10ms);
  EXPECT_EQ(ticker.chan().recv(), start + 60ms);
}

TEST(Ticker, stopped_does_not_tick_and_reset_starts_it_anew) {
  const VirtualTime virtual_time;
  Ticker ticker(10ms);
  sleep_for(15ms);
  ticker.stop();
  sleep_for(100ms);
  EXPECT_EQ(ticker.chan().try_recv(), std::nullopt);
  const TimePoint start = now();
  ticker.reset(3ms);
  EXPECT_EQ(ticker.chan().recv(), start + 3ms);
  EXPECT_EQ(ticker.chan().recv(), start + 6ms);
}

TEST(Ticker, stops_with_its_last_handle) {
  const VirtualTime virtual_time;
  Chan<TimePoint> ch(nullptr);
  {
    Ticker ticker(10ms);
    const Ticker copy = ticker;
    ch = copy.chan();
    EXPECT_TRUE(ch.recv());
  }
  sleep_for(100ms);
  EXPECT_EQ(ch.try_recv(), std::nullopt);
}

TEST(TickerDeathTest, period_must_be_positive) {
  EXPECT_EXIT(Ticker(0ns), testing::ExitedWithCode(2), "panic: non-positive interval for NewTicker");
  Ticker ticker(1h);
  EXPECT_EXIT(ticker.reset(-1ns), testing::ExitedWithCode(2), "non-positive interval");
}

}  // namespace
}  // namespace reprise
