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
// A timer that is set, and not periodic, is moved without the lock (timer_move). To a later time, as nearly all
// timeouts are, the heap is told when it comes to it. The two moments of such a timer:
//   `due`   when it shall fire; kTimerNotSet where it is not queued, kTimerPeriodic where only the lock's holder may move it.
//           What is set moves by a compare-and-swap, which anybody may do. All else is the lock's holder's.
//   `when`  where it is queued, under the lock. Not after `due`, or somebody is about to move it (below).
// So a timer is claimed exactly once, for its last moment: either a move's swap comes before the claim's, which then fails, and
// the runner moves it (timer_settle), or after, and fails itself. Who moved a timer knows that its earlier setting has not fired and never will.
//
// Nobody oversleeps a moved timer: the heap has it at `when`, which is not after `due`. The delicate moment is a timer that is moved back
// to an earlier time (which is later than `when`) while the heap catches up with the later one:
//
//     mover (timer_move)                      holder of the lock (timer_settle)
//     M1  due: old -> new                     L1  load due
//     M2  load when: after the new time?      L2  when = it
//         then settle it under the lock       L3  load due again: earlier? once more from L2
//
// All are sequentially consistent. If L2 comes before M2 in that order, M2 sees it; if not, M1 comes before L3, which sees it.
// A compare-and-swap does not see that a timer fired and was set again to the same moment in between; nor need it: M1 reads
// what timer_set released, so M2 sees at least the `when` of that setting. A move to before `when` is the same, and mostly ends under the lock.
//
// Templates, so that tests/model explores this source. Heap provides lock, running, firing, and
// timer0_when, the queue's minimum as a hint for readers without the lock. Timer provides due and when.
//
// Thread safety: any M; blocks it while a function of the timer's runs elsewhere. No lock held.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

// Of Timer::due, before every moment.
inline constexpr int64_t kTimerNotSet = INT64_MIN;
inline constexpr int64_t kTimerPeriodic = INT64_MIN + 1;
inline constexpr int64_t kFirstInstant = INT64_MIN + 2;

enum class Moved : uint8_t {
  no,        // it is not set, or periodic: only the lock's holder may do this
  yes,
  unsettled  // it was, and the heap may have it at a later time: take the lock, and settle it if it is still queued
};

// M of the above. REQUIRES: t does not go when it has fired, but is the caller's too.
template <class Timer>
Moved timer_move(Timer* t, int64_t when_ns) {
  int64_t due = t->due.load(std::memory_order_relaxed);
  do {
    if (due < kFirstInstant) return Moved::no;
  } while (!t->due.compare_exchange_weak(due, when_ns, std::memory_order_seq_cst, std::memory_order_relaxed));
  return t->when.load(std::memory_order_seq_cst) > when_ns ? Moved::unsettled : Moved::yes;
}

// L: makes `when` what `due` is, and returns that. The caller moves t in the queue. Lock held; t is set and not periodic.
template <class Timer>
int64_t timer_settle(Timer* t) {
  int64_t due = t->due.load(std::memory_order_seq_cst);
  for (;;) {
    t->when.store(due, std::memory_order_seq_cst);
    const int64_t again = t->due.load(std::memory_order_seq_cst);
    if (again >= due) return due;
    due = again;
  }
}

// Sets a timer, anew if it is set. Lock held. Release: who moves it from there sees `when`; a move that comes just before is forgotten.
template <class Timer>
void timer_set(Timer* t, int64_t when_ns, bool periodic) {
  t->when.store(when_ns, std::memory_order_relaxed);
  t->due.store(periodic ? kTimerPeriodic : when_ns, std::memory_order_release);
}

// A timer that is not periodic is to fire at `when`: false if it has been moved. Lock held. Acquire: its function sees what was done before
// it was moved.
template <class Timer>
bool timer_claim(Timer* t) {
  int64_t when = t->when.load(std::memory_order_relaxed);  // the lock's
  return t->due.compare_exchange_strong(when, kTimerNotSet, std::memory_order_acq_rel, std::memory_order_relaxed);
}

// The first due timer of a queue, claimed; null for none. What has been moved comes to its place first, by move(timer), so timers fire in
// the order of their last moments. Lock held.
template <class Queue, class Move>
auto timers_claim_first(Queue& queue, int64_t now, Move move) -> decltype(queue.min()) {
  while (!queue.empty() && queue.min_when() <= now) {
    auto* t = queue.min();
    if (t->period > 0 || timer_claim(t)) return t;
    timer_settle(t);
    move(t);
  }
  return nullptr;
}

// For who found it unsettled: whether there was something to settle. Lock held; t is queued.
template <class Timer>
bool timer_settle_if_late(Timer* t) {
  const int64_t due = t->due.load(std::memory_order_seq_cst);
  if (due < kFirstInstant || due >= t->when.load(std::memory_order_relaxed)) return false;
  timer_settle(t);
  return true;
}

// Nobody moves it any more. Lock held.
template <class Timer>
void timer_unset(Timer* t) {
  t->due.exchange(kTimerNotSet, std::memory_order_acq_rel);
}

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
