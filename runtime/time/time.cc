// Sleeping, timers and tickers as programs see them.
//
// A TimerState is counted: handles hold references, and so does the heap while the timer is queued
// ("the heap's reference"), and a goroutine that after_func started. The heap's reference is given
// back by whoever ends the queueing: the firing of a one-shot timer, or the stop() or reset() that
// found it queued.
//
// A stale value cannot be received after stop(): timer_stop() returns only when the function is not
// running any more, and the value it may have sent is then taken back. The two steps are one for
// the program, because nothing else sends on the channel. A reset that finds the timer queued moves
// it, and the heap's reference stays where it is.
#include <reprise/time.h>

#include <atomic>

#include "runtime/chan/chan.h"
#include "runtime/sched/proc.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer.h"

namespace reprise {

using seam::OpKind;

namespace detail {

struct TimerState {
  explicit TimerState(bool with_channel);

  rt::Timer timer;
  std::atomic<uint32_t> refs{1};
  Chan<TimePoint> chan{nullptr};
  bool periodic = false;  // constant once started
  void (*run)(void*) = nullptr;
  std::shared_ptr<void> fn;
  uint64_t fires = 0;  // how often fn was started; g0
};

namespace {

TimerState* retain(TimerState* s) {
  // Relaxed: taken from a reference that is held.
  s->refs.fetch_add(1, std::memory_order_relaxed);
  return s;
}

// Acquire and release: the last one to go sees what the others did.
void release(TimerState* s) {
  if (s != nullptr && s->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete s;
}

void run_func(void* state) {
  auto* s = static_cast<TimerState*>(state);
  const TimerRef ref(s);
  s->run(s->fn.get());
}

void drop_func(void* state) { release(static_cast<TimerState*>(state)); }

// The timer's function; g0.
void fire(void* state, uint64_t, int64_t now_ns) {
  auto* s = static_cast<TimerState*>(state);
  if (s->run != nullptr) {
    rt::newproc(run_func, retain(s), drop_func,
                {.maker = &s->timer.object, .maker_index = s->fires++});
  } else {
    TimePoint at{Duration(now_ns)};
    rt::chan_trysend_system(s->chan.core(), &at);
  }
  if (!s->periodic) release(s);
}

// Starts (again). Gives the heap its reference unless it has one.
bool start(TimerState* s, int64_t when_ns, int64_t period_ns) {
  s->periodic = period_ns > 0;
  retain(s);
  const bool was_queued = rt::timer_start(&s->timer, when_ns, period_ns);
  if (was_queued) release(s);
  return was_queued;
}

bool stop(TimerState* s) {
  const bool was_queued = rt::timer_stop(&s->timer);
  if (was_queued) release(s);
  return was_queued;
}

// Takes back a value that was sent but not received.
bool drain(TimerState* s) {
  if (!s->chan) return false;
  TimePoint stale;
  return rt::chan_tryrecv_system(s->chan.core(), &stale);
}

// Moves a one-shot timer that is queued; false if that is not enough. An earlier setting's value in
// the channel is looked for first: once moved, the timer may fire, and its value is the new setting's.
bool move_queued(TimerState* s, int64_t when_ns) {
  if (s->chan && s->chan.core()->load_qcount() != 0) return false;
  return rt::timer_restart(&s->timer, when_ns, 0);
}

void announce(OpKind op, const TimerState* s) { rt::seam_point(op, s->timer.object, true); }

[[gnu::noinline]] bool reset_announced(TimerState* s, Duration duration) {
  announce(OpKind::timer_start, s);
  const int64_t when_ns = rt::when_after(duration.count());
  if (move_queued(s, when_ns)) return true;
  const bool queued = stop(s);
  const bool stale = drain(s);
  start(s, when_ns, 0);
  return queued || stale;
}

TimerState* new_timer(Duration duration) {
  auto* s = new TimerState(true);
  announce(OpKind::timer_start, s);
  start(s, rt::when_after(duration.count()), 0);
  return s;
}

void require_positive(Duration period, const char* text) {
  if (period.count() <= 0) rt::gopanic(text);
}

}  // namespace

TimerState::TimerState(bool with_channel) : timer(fire, this) {
  if (with_channel) chan = Chan<TimePoint>(1);
}

TimerRef::TimerRef(const TimerRef& other)
    : state_(other.state_ == nullptr ? nullptr : retain(other.state_)) {}
TimerRef::~TimerRef() { release(state_); }

TimerRef start_func_timer(Duration duration, void (*run)(void*), std::shared_ptr<void> fn) {
  auto* s = new TimerState(false);
  s->run = run;
  s->fn = std::move(fn);
  announce(OpKind::timer_start, s);
  start(s, rt::when_after(duration.count()), 0);
  return TimerRef(s);
}

}  // namespace detail

TimePoint Clock::now() { return TimePoint(Duration(rt::nanotime())); }

std::chrono::time_point<std::chrono::system_clock, Duration> wall_now() {
  return std::chrono::time_point<std::chrono::system_clock, Duration>(Duration(rt::walltime()));
}

void sleep_for(Duration duration) {
  rt::seam_point(OpKind::sleep, {});
  rt::time_sleep(duration.count());
}

void sleep_until(TimePoint deadline) { sleep_for(deadline - now()); }

Chan<TimePoint> after(Duration duration) { return Timer(duration).chan(); }

// The heap's reference is the only one that stays.
Chan<TimePoint> tick(Duration period) {
  if (period.count() <= 0) return nullptr;
  const detail::TimerRef ref(new detail::TimerState(true));
  detail::TimerState* s = ref.get();
  detail::announce(OpKind::timer_start, s);
  detail::start(s, rt::when_after(period.count()), period.count());
  return s->chan;
}

Timer::Timer(Duration duration) : ref_(detail::new_timer(duration)) {}

const Chan<TimePoint>& Timer::chan() const { return ref_.get()->chan; }

bool Timer::stop() {
  detail::TimerState* s = ref_.get();
  detail::announce(OpKind::timer_stop, s);
  const bool queued = detail::stop(s);
  return detail::drain(s) || queued;
}

// Most timeouts are moved while they are set: in line. As move_queued, and there is no policy if nothing wants attention.
bool Timer::reset(Duration duration) {
  detail::TimerState* s = ref_.get();
  if (rt::seam_attends() || (s->chan && s->chan.core()->load_qcount() != 0)) return detail::reset_announced(s, duration);
  const int64_t when_ns = rt::when_after(duration.count());
  if (when_ns <= rt::kLastInstant && rt::timer_move_quickly(&s->timer, when_ns)) return true;
  return detail::reset_announced(s, duration);
}

Ticker::Ticker(Duration period) {
  detail::require_positive(period, "non-positive interval for NewTicker");
  // The last handle stops the ticker before it gives up its reference.
  state_ = std::shared_ptr<detail::TimerState>(new detail::TimerState(true),
                                               [](detail::TimerState* s) {
                                                 detail::stop(s);
                                                 detail::release(s);
                                               });
  detail::announce(OpKind::timer_start, state_.get());
  detail::start(state_.get(), rt::when_after(period.count()), period.count());
}

const Chan<TimePoint>& Ticker::chan() const { return state_->chan; }

void Ticker::stop() {
  detail::announce(OpKind::timer_stop, state_.get());
  detail::stop(state_.get());
  detail::drain(state_.get());
}

void Ticker::reset(Duration period) {
  detail::require_positive(period, "non-positive interval for Ticker.Reset");
  detail::announce(OpKind::timer_start, state_.get());
  detail::stop(state_.get());
  detail::drain(state_.get());
  detail::start(state_.get(), rt::when_after(period.count()), period.count());
}

}  // namespace reprise
