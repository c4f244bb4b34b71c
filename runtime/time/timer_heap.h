// The timers of one P, and the question that every scheduling round asks of them, in line.
//
// Thread safety and guards: as the fields say; timer.cc has the invariants. Heaps live for ever.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/lock.h"
#include "runtime/time/timer_queue.h"

namespace reprise::rt {

struct TimerHeap {
  Lock lock{LockRank::timers};
  TimerQueue queue;               // lock
  uint64_t next_seq = 1;          // lock
  bool running = false;           // lock
  Timer* firing = nullptr;        // lock
  std::atomic<int64_t> timer0_when{INT64_MAX};  // queue's minimum; stored under lock
  std::atomic<bool> orphan{false};              // its P does not exist now; world stopped to write
  TimerHeap* next = nullptr;      // all heaps; constant once published
};

extern std::atomic<uint32_t> timer_orphans;  // heaps without a P

// Thieves read the pointer too. Acquire and release: whoever finds the heap finds it built.
inline TimerHeap* heap_if_any(P* pp) { return std::atomic_ref(pp->timers).load(std::memory_order_acquire); }

// Nothing is set in pp's heap, nor in one whose P is no more. Any thread. A hint, as timers_earliest_of().
inline bool no_timer_of(P* pp) {
  const TimerHeap* heap = heap_if_any(pp);
  if (heap != nullptr && heap->timer0_when.load(std::memory_order_relaxed) != INT64_MAX) return false;
  return timer_orphans.load(std::memory_order_relaxed) == 0;
}

}  // namespace reprise::rt
