// Time: clocks, sleeping, timers and tickers.
//
// now() is monotonic. Under a virtual clock time stands still while anything can run and jumps to
// the next deadline when nothing can. Every wait lasts at least as long as asked for.
//
// Timers with a channel hold at most one value that was not received. As in Go since 1.23, stop()
// and reset() also take such a value back: after they return, nothing that belongs to the earlier
// setting is received, so there is nothing to drain.
//
// Thread safety: any goroutine. Ownership: Timer and Ticker are shared references. A Timer that
// nobody refers to still fires; a Ticker stops with its last reference.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <reprise/chan.h>

namespace reprise {

using Duration = std::chrono::nanoseconds;

// The runtime's monotonic clock, as <chrono> wants one.
struct Clock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
  static time_point now();
};
using TimePoint = Clock::time_point;

inline TimePoint now() { return Clock::now(); }
std::chrono::time_point<std::chrono::system_clock, Duration> wall_now();

// Parks the goroutine for at least that long; not at all if the duration is not positive.
void sleep_for(Duration duration);
void sleep_until(TimePoint deadline);

// Sends the time on a fresh channel once, after at least that long.
Chan<TimePoint> after(Duration duration);

// A channel that gets the time again and again, for the life of the program: there is nothing to
// stop. nil if the period is not positive.
Chan<TimePoint> tick(Duration period);

namespace detail {

struct TimerState;  // runtime/time/time.cc

// A reference to a timer's state.
class TimerRef {
 public:
  explicit TimerRef(TimerState* state) : state_(state) {}  // takes over one reference
  TimerRef(const TimerRef& other);
  TimerRef(TimerRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  TimerRef& operator=(TimerRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~TimerRef();
  TimerState* get() const { return state_; }

 private:
  TimerState* state_;
};

TimerRef start_func_timer(Duration duration, void (*run)(void*), std::shared_ptr<void> fn);

}  // namespace detail

// Fires once: sends the time on chan(), or runs a function (after_func).
class Timer {
 public:
  explicit Timer(Duration duration);

  // nil for after_func's.
  const Chan<TimePoint>& chan() const;
  // True if the timer was still to fire, or had fired and nobody had received the value. The
  // function of after_func may have been started just before; stop() does not wait for it.
  bool stop();
  // As stop(), then starts it anew.
  bool reset(Duration duration);

 private:
  template <class F>
  friend Timer after_func(Duration duration, F fn);
  explicit Timer(detail::TimerRef ref) : ref_(std::move(ref)) {}

  detail::TimerRef ref_;
};

// Runs fn in a goroutine of its own after at least that long.
template <class F>
Timer after_func(Duration duration, F fn) {
  static_assert(std::is_invocable_v<F&>);
  return Timer(detail::start_func_timer(
      duration, [](void* f) { (*static_cast<F*>(f))(); }, std::make_shared<F>(std::move(fn))));
}

// Fires again and again. Ticks that nobody receives in time are dropped, not queued.
class Ticker {
 public:
  explicit Ticker(Duration period);  // panics unless positive
  Ticker(const Ticker&) = default;
  Ticker(Ticker&&) noexcept = default;
  Ticker& operator=(const Ticker&) = default;
  Ticker& operator=(Ticker&&) noexcept = default;

  const Chan<TimePoint>& chan() const;
  void stop();                  // does not close the channel
  void reset(Duration period);  // the next tick comes after the new period; panics unless positive

 private:
  std::shared_ptr<detail::TimerState> state_;
};

}  // namespace reprise
