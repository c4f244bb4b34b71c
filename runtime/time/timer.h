// Timer: calls a function when a moment has come (reference, section 11).
//
// Each P has a heap of timers. A timer lives in the heap of the P that first started it, for good;
// the scheduler runs due timers of its own P and, when it is idle, of all.
//
// The function runs on g0 without runtime locks. It must not block: it readies a goroutine, tries
// to send, or starts a goroutine. It may free its own timer.
//
// Thread safety: start and stop from any goroutine. Ownership: the caller's; a timer must be
// stopped before it is freed, unless it has fired for the last time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <reprise/detail/seam_hook.h>
#include "runtime/seam/decision.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer_protocol.h"

namespace reprise::rt {

struct TimerHeap;

struct Timer {
  using Func = void (*)(void* arg, uint64_t seq, int64_t now_ns);

  Timer(Func fn, void* fn_arg);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  static constexpr size_t kNoPlace = SIZE_MAX;

  const Func f;
  void* const arg;
  TimerHeap* home = nullptr;   // set by the first start
  // When it shall fire, and when the heap has it: timer_protocol.h.
  std::atomic<int64_t> due{kTimerNotSet};
  std::atomic<int64_t> when{0};
  // Guarded by the lock of `home`.
  int64_t period = 0;          // > 0: starts itself again
  uint64_t seq = 0;            // order of starting in this heap, unique there
  size_t place = kNoPlace;     // in the queue
  seam::ObjectId object;
  seam::GoId maker;
  uint64_t maker_goid = 0;
};

// Of a timer: INT64_MAX says that there is none, and a sleep for ever would be taken for a deadlock.
inline constexpr int64_t kLastInstant = INT64_MAX - 1;

// Starts the timer, anew if it runs. Returns whether it was running.
bool timer_start(Timer* t, int64_t when_ns, int64_t period_ns);

bool timer_restart_locked(Timer* t, int64_t when_ns, int64_t period_ns);
void timer_settle_moved(Timer* t);

// Moves a one-shot timer if it runs, else does nothing. REQUIRES: no policy; t is not gone when it has fired; 0 <= when_ns <= kLastInstant.
inline bool timer_move_quickly(Timer* t, int64_t when_ns) {
  const Moved moved = timer_move(t, when_ns);
  if (moved == Moved::unsettled) [[unlikely]] timer_settle_moved(t);
  return moved != Moved::no;
}

// As timer_start if it runs, and nothing if it does not. REQUIRES: t is not gone when it has fired.
//
// In controlled modes by the lock, so that timers which are due at one moment are so in the order of starting.
inline bool timer_restart(Timer* t, int64_t when_ns, int64_t period_ns) {
  const bool quickly = !seam_active && period_ns == 0 && when_ns >= 0 && when_ns <= kLastInstant;
  return (quickly && timer_move_quickly(t, when_ns)) || timer_restart_locked(t, when_ns, period_ns);
}

// Stops it; returns whether it was running. When it returns the function is not running and will
// not run, unless it is started again.
bool timer_stop(Timer* t);

// Now plus a duration: the past counts as now, the far future saturates.
inline int64_t when_after(int64_t duration_ns) {
  const int64_t now = nanotime();
  if (duration_ns <= 0) return now;
  return duration_ns > INT64_MAX - now ? INT64_MAX : now + duration_ns;
}

// Parks the current goroutine for at least that long. No scheduling point is announced.
void time_sleep(int64_t duration_ns);

}  // namespace reprise::rt
