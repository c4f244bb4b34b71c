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

#include <cstddef>
#include <cstdint>

#include "runtime/seam/decision.h"

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
  // Guarded by the lock of `home`.
  int64_t when = 0;
  int64_t period = 0;          // > 0: starts itself again
  uint64_t seq = 0;            // order of starting in this heap, unique there
  size_t place = kNoPlace;     // in the queue
  seam::ObjectId object;
  seam::GoId maker;
  uint64_t maker_goid = 0;
};

// Starts the timer, anew if it runs. Returns whether it was running.
bool timer_start(Timer* t, int64_t when_ns, int64_t period_ns);
// The same if it runs, and nothing if it does not.
bool timer_restart(Timer* t, int64_t when_ns, int64_t period_ns);
// Stops it; returns whether it was running. When it returns the function is not running and will
// not run, unless it is started again.
bool timer_stop(Timer* t);

// Now plus a duration: the past counts as now, the far future saturates.
int64_t when_after(int64_t duration_ns);

// Parks the current goroutine for at least that long. No scheduling point is announced.
void time_sleep(int64_t duration_ns);

}  // namespace reprise::rt
