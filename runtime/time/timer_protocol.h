// Who runs a heap's due timers, and how a timer is stopped or moved while somebody does.
//
// Invariants, under the heap's lock:
//   `running` is true while somebody runs the due timers, who alone sets `firing`.
//   A timer is queued or not; what is queued fires once, by whoever runs the heap then.
// A timer's function runs without the lock and may free the timer, so nothing touches it after the
// call: `firing` is compared, never followed. One at a time runs a heap, so calls of one timer never
// overlap. What starts or stops a timer waits until its function, if it runs, is through: then the
// timer may be freed.
//
// Templates, so that tests/model explores this source. Heap provides lock, running, firing, and
// timer0_when, the queue's minimum as a hint for readers without the lock.
//
// Thread safety: any M; blocks it while a function of the timer's runs elsewhere. No lock held.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

// Fires what is due. take(): the next timer to fire, taken off the queue, or null (lock held);
// call(timer) runs its function, and was prepared by take(), since the timer may be gone by then.
// Returns whether anything fired.
template <class Heap, class Take, class Call>
bool timers_run(Heap* h, int64_t now, Take take, Call call) {
  // Relaxed: a hint that is looked at again under the lock.
  if (h->timer0_when.load(std::memory_order_relaxed) > now) return false;
  h->lock.lock();
  if (h->running) {
    h->lock.unlock();
    return false;
  }
  h->running = true;
  bool fired = false;
  while (auto* t = take()) {
    h->firing = t;
    h->lock.unlock();
    call();
    fired = true;
    h->lock.lock();
    h->firing = nullptr;
  }
  h->running = false;
  h->lock.unlock();
  return fired;
}

// Waits until t's function, running on another thread, is through. It does not block, so neither
// does this for long. relax(i): the i-th time round. Lock held; released meanwhile.
template <class Heap, class Timer, class Relax>
void await_firing(Heap* h, const Timer* t, Relax relax) {
  for (int i = 0; h->firing == t; ++i) {
    h->lock.unlock();
    relax(i);
    h->lock.lock();
  }
}

// Waits for t's function, then change() queues t, takes it off or moves it, and says whether it was
// queued. Returns that.
//
// The wait comes first, since it releases the lock: of two that restart a timer while it fires, one
// would queue it while the other waits, and the other a second time.
template <class Heap, class Timer, class Change, class Relax>
bool timer_modify(Heap* h, const Timer* t, Change change, Relax relax) {
  h->lock.lock();
  await_firing(h, t, relax);
  const bool was_queued = change();
  h->lock.unlock();  // from here on t may have fired and be gone
  return was_queued;
}

}  // namespace reprise::rt
