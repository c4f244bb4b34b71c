// Go's time/sleep_test.go and tick_test.go.
//
// On the virtual clock every duration is exact. Natively a machine may be slow, so nothing is said
// about how late something may come, only about how early.
#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <vector>

#include "runtime/time/timer.h"
#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::must_not_happen;
using test::nothing;
using test::rounds;
using test::settle;
using test::until;

constexpr Duration kForEver{std::numeric_limits<int64_t>::max()};
constexpr Duration kLongAgo{std::numeric_limits<int64_t>::min()};

bool exact() { return rt::clock_is_virtual(); }

void expect_elapsed(TimePoint start, Duration expected) {
  const Duration elapsed = now() - start;
  if (exact()) {
    EXPECT_EQ(elapsed.count(), expected.count());
  } else {
    EXPECT_GE(elapsed.count(), expected.count());
  }
}

// ---- TestSleep, TestAfter, TestAfterTick -----------------------------------------------------------

TEST(Sleep, lasts_as_long_as_asked_for_though_others_wake_meanwhile) {
  const TimePoint start = now();
  go([] { sleep_for(10ms); });
  sleep_for(20ms);
  expect_elapsed(start, 20ms);
}

TEST(After, delivers_the_time_after_the_delay) {
  const TimePoint start = now();
  const TimePoint end = *after(20ms).recv();
  expect_elapsed(start, 20ms);
  EXPECT_GE(end, start + 20ms);
  EXPECT_LE(end, now());
}

TEST(After, ten_in_a_row_take_ten_delays) {
  const TimePoint start = now();
  for (int i = 0; i < 10; ++i) after(2ms).recv();
  expect_elapsed(start, 20ms);
}

// ---- TestAfterFunc, TestAfterStress ------------------------------------------------------------------

// Each call starts the next and then sleeps, so that many run at once.
struct Countdown {
  std::atomic<int> left{10};
  WaitGroup slept;
  Chan<Unit> through;
  void call() {
    if (--left < 0) return through.send({});
    slept.add(1);
    after_func(0ns, [this] { call(); });
    sleep_for(1ms);
    slept.done();
  }
};

TEST(AfterFunc, functions_may_start_timers_and_sleep) {
  Countdown countdown;
  after_func(0ns, [&] { countdown.call(); });
  countdown.through.recv();
  countdown.slept.wait();
}

TEST(Ticker, of_one_nanosecond_ticks_beside_sleepers_of_one_nanosecond) {
  std::atomic<bool> stop{false};
  WaitGroup sleeper(1);
  go([&stop, sleeper]() mutable {
    while (!stop) sleep_for(1ns);
    sleeper.done();
  });
  Ticker ticker(1ns);
  for (int i = 0; i < rounds(100, 100); ++i) EXPECT_TRUE(ticker.chan().recv().has_value());
  ticker.stop();
  stop = true;
  sleeper.wait();
}

// ---- TestAfterStop, TestTimerStopStress ----------------------------------------------------------------

TEST(Timer, stopped_before_it_fires_never_fires) {
  const Duration unit = exact() ? 50ms : Duration(10h);  // natively it must not fire by itself
  Timer before = after_func(2 * unit, nothing);
  Timer stopped(unit);
  std::atomic<bool> ran{false};
  Timer func = after_func(3 * unit, [&] { ran = true; });
  EXPECT_TRUE(stopped.stop());
  EXPECT_TRUE(func.stop());
  sleep_for(exact() ? 4 * unit : 1ms);
  EXPECT_FALSE(stopped.chan().try_recv().has_value());
  EXPECT_FALSE(ran);
  EXPECT_FALSE(func.stop());
  EXPECT_EQ(before.stop(), !exact());
}

TEST(Timer, stop_tells_once_whether_it_came_in_time) {
  Timer timer(10h);
  EXPECT_TRUE(timer.stop());
  EXPECT_FALSE(timer.stop());
  Timer fired(0ns);
  EXPECT_TRUE(fired.chan().recv().has_value());
  EXPECT_FALSE(fired.stop());
}

TEST(Timer, a_hundred_stopped_halfway_never_run) {
  const Duration unit = exact() ? 1s : Duration(10h);
  WaitGroup stopped(100);
  for (int i = 0; i < 100; ++i) {
    go([=]() mutable {
      Timer timer = after_func(2 * unit, [] { ADD_FAILURE() << "not stopped"; });
      sleep_for(exact() ? unit : 1ms);
      EXPECT_TRUE(timer.stop());
      stopped.done();
    });
  }
  stopped.wait();
  sleep_for(exact() ? 3 * unit : 1ms);
}

// ---- TestAfterQueuing ------------------------------------------------------------------------------------

struct Arrival {
  int slot;
  TimePoint at;
};

TEST(After, channels_deliver_each_in_its_time) {
  constexpr int kSlots[] = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
  constexpr Duration kDelta = 2ms;
  const Chan<Arrival> arrivals(std::size(kSlots));
  const TimePoint start = now();
  for (int slot : kSlots) {
    const Chan<TimePoint> timer = after(slot * kDelta);
    go([=] { arrivals.send({slot, *timer.recv()}); });
  }
  int last = 0;
  for (size_t i = 0; i < std::size(kSlots); ++i) {
    const Arrival a = *arrivals.recv();
    EXPECT_GE(a.at, start + a.slot * kDelta);
    if (!exact()) continue;
    EXPECT_EQ(a.at, start + a.slot * kDelta);
    EXPECT_GE(a.slot, last) << "out of order";
    last = a.slot;
  }
}

// ---- TestSleepZeroDeadlock ---------------------------------------------------------------------------------

TEST(Sleep, of_no_length_leaves_the_goroutine_runnable) {
  WaitGroup other(1);
  go([other]() mutable {
    for (int i = 0; i < 100; ++i) yield();
    other.done();
  });
  for (int i = 0; i < 100; ++i) {
    sleep_for(0ns);
    const Chan<bool> ch(1);
    ch.send(true);
    ch.recv();
  }
  other.wait();
}

// ---- TestReset ---------------------------------------------------------------------------------------------

TEST(TimerReset, before_the_timer_fires_says_so_and_moves_it) {
  const TimePoint start = now();
  Timer timer(10h);
  sleep_for(1ms);
  EXPECT_TRUE(timer.reset(3ms));
  timer.chan().recv();
  expect_elapsed(start, 4ms);
}

TEST(TimerReset, later_than_set_does_not_fire_at_the_old_time) {
  if (!exact()) {  // natively the old time may be long past before the reset
    Timer timer(10h);
    EXPECT_TRUE(timer.reset(20h));
    EXPECT_FALSE(timer.chan().try_recv().has_value());
    EXPECT_TRUE(timer.stop());
    return;
  }
  Timer timer(50ms);
  sleep_for(25ms);
  EXPECT_TRUE(timer.reset(75ms));
  sleep_for(50ms);
  EXPECT_FALSE(timer.chan().try_recv().has_value()) << "fired early";
  sleep_for(50ms);
  EXPECT_TRUE(timer.chan().try_recv().has_value()) << "did not fire";
}

TEST(TimerReset, after_the_value_was_received_says_so_and_fires_again) {
  Timer timer(0ns);
  timer.chan().recv();
  EXPECT_FALSE(timer.reset(1ms));
  EXPECT_TRUE(timer.chan().recv().has_value());
}

// ---- TestOverflowSleep, TestOverflowPeriodRuntimeTimer -------------------------------------------------------

TEST(TimerOverflow, longest_duration_does_not_fire) {
  Timer longest(kForEver);
  select(on_recv(longest.chan(), must_not_happen), on_timeout(5ms, nothing));
  EXPECT_TRUE(longest.stop());
}

TEST(TimerOverflow, negative_sleep_returns_at_once) {
  const TimePoint start = now();
  sleep_for(kLongAgo);
  EXPECT_TRUE(!exact() || now() == start);
}

TEST(TimerOverflow, negative_delay_fires_at_once) {
  Timer hours(10h);
  select(on_recv(after(kLongAgo), nothing), on_recv(hours.chan(), must_not_happen));
  hours.stop();
}

TEST(TimerOverflow, period_beyond_the_end_of_time_fires_once) {
  std::atomic<int> fired{0};
  rt::Timer timer(
      [](void* count, uint64_t, int64_t) { ++*static_cast<std::atomic<int>*>(count); }, &fired);
  rt::timer_start(&timer, rt::nanotime(), std::numeric_limits<int64_t>::max());
  until([&] { return fired > 0; });
  settle();
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(rt::timer_stop(&timer)) << "still set, for the end of time";
}

// ---- TestZeroTimerResetPanics, TestZeroTimerStopPanics: refused by the compiler ------------------------------

TEST(ZeroTimer, timers_and_tickers_cannot_be_made_without_a_duration) {
  static_assert(!std::is_default_constructible_v<Timer>);
  static_assert(!std::is_default_constructible_v<Ticker>);
}

// ---- TestZeroTimer, TestTimerModifiedEarlier, TestAdjustTimers -----------------------------------------------

TEST(ZeroTimer, of_no_duration_is_never_missed) {
  for (int i = 0; i < rounds(10'000, 250); ++i) {
    EXPECT_TRUE(Timer(0ns).chan().recv().has_value());
  }
}

TEST(TimerReset, moved_to_the_past_again_and_again_still_fires) {
  for (int i = 0; i < rounds(1000, 100); ++i) {
    Timer timer(1h);
    for (int k = 0; k < 10; ++k) {
      timer.stop();
      timer.reset(-1h);
    }
    Timer deadline(10h);
    select(on_recv(timer.chan(), nothing), on_recv(deadline.chan(), must_not_happen));
    deadline.stop();
  }
}

// One of many timers on its way: fires, is moved far away and stopped three times, fires again.
class WanderingTimer {
 public:
  // False when the journey is over.
  bool step() {
    switch (state_++) {
      case 0: timer_.emplace(0ns); return true;
      case 1: return expect_fires();
      case 2: EXPECT_FALSE(timer_->reset(1min)); return true;
      case 4: EXPECT_FALSE(timer_->reset(3min)); return true;
      case 6: EXPECT_FALSE(timer_->reset(2min)); return true;
      case 8: EXPECT_FALSE(timer_->reset(0ns)); return true;
      case 9: return expect_fires();
      case 10: return false;
      default: EXPECT_TRUE(timer_->stop()); return true;
    }
  }

 private:
  bool expect_fires() { return timer_->chan().recv().has_value(); }

  int state_ = 0;
  std::optional<Timer> timer_;
};

TEST(TimerReset, timers_moved_in_any_order_lose_no_firing) {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    std::vector<WanderingTimer> timers(rounds(100, 10));
    uint32_t draw = seed;
    while (!timers.empty()) {
      draw = draw * 1664525 + 1013904223;
      const size_t i = (draw >> 8) % timers.size();
      if (timers[i].step()) continue;
      std::swap(timers[i], timers.back());
      timers.pop_back();
    }
  }
}

// ---- tick_test -----------------------------------------------------------------------------------------------

TEST(Ticker, ticks_at_its_period_and_after_reset_at_the_new_one) {
  const Duration delta = exact() ? 20ms : 1ms;
  const TimePoint start = now();
  Ticker ticker(delta);
  for (int i = 0; i < 5; ++i) ticker.chan().recv();
  ticker.reset(2 * delta);
  for (int i = 0; i < 5; ++i) ticker.chan().recv();
  expect_elapsed(start, 15 * delta);
}

TEST(Ticker, stopped_does_not_tick) {
  Ticker ticker(1ms);
  ticker.chan().recv();
  ticker.stop();
  sleep_for(3ms);
  EXPECT_FALSE(ticker.chan().try_recv().has_value());
}

TEST(Ticker, may_be_stopped_after_each_tick_and_made_anew) {
  for (int i = 0; i < 3; ++i) {
    Ticker ticker(2ms);
    ticker.chan().recv();
    ticker.stop();
  }
}

TEST(Tick, of_a_period_that_is_not_positive_is_nil) {
  EXPECT_FALSE(tick(-1ns));
  EXPECT_FALSE(tick(0ns));
}

}  // namespace
}  // namespace reprise
