// Mutex: Go's, with its starvation mode.
//
// state_: kLocked, kWoken (somebody is awake and trying, so unlock need not wake another),
// kStarving, and the number of waiters from kWaiterShift up.
//
// Normal mode: a woken waiter has no claim and competes. It queues again at the front, and after
// kStarvationNs switches the mutex to starvation mode. There unlock hands the mutex to the first
// waiter without setting kLocked to free in between; newcomers see kStarving and do not try. The
// waiter that receives it sets kLocked itself, and ends the mode if it is last or waited less.
//
// While the holder runs on another P and nobody is kept from running here, whoever comes to a locked mutex
// spins for some microseconds before it waits (runtime_canSpin's rules, sema.h): parking and being woken costs
// more than most critical sections last.
//
// Ordering: acquiring CASes are acquire, the releasing subtraction is release, so a critical
// section happens before the next one; between unlock's semrelease and the waiter's return the
// semaphore word orders.
//
// Deterministic: the wait is measured on samples of the clock that are logged. They may be a few
// rounds old: a waiter may starve for some microseconds more, and a contended mutex does not cost
// two readings of the clock, which were a seventh of all records of a busy server.
#include <reprise/sync.h>
#include "runtime/sched/proc.h"
#include "runtime/sched/sema.h"
#include "runtime/sync/object_id.h"
#include "runtime/time/clock.h"

namespace reprise {

using rt::announce;
using seam::OpKind;

namespace {

constexpr int32_t kLocked = 1;  // as Mutex has it, whose header takes and frees it where nobody waits
constexpr int32_t kWoken = 2;
constexpr int32_t kStarving = 4;
constexpr int kWaiterShift = 3;
constexpr int32_t kOneWaiter = 1 << kWaiterShift;
constexpr int64_t kStarvationNs = 1'000'000;

// One goroutine's attempt to get the mutex, across its sleeps.
struct Attempt {
  int64_t wait_start_ns = 0;
  bool starving = false;
  bool awoke = false;  // kWoken is ours to clear: we were woken, or claimed it while spinning
  int spins = 0;

  // What the state becomes if this attempt's next CAS succeeds.
  int32_t next_state(int32_t old) const {
    int32_t next = old;
    if ((old & kStarving) == 0) next |= kLocked;  // never jump the line of a starving mutex
    if ((old & (kLocked | kStarving)) != 0) next += kOneWaiter;
    if (starving && (old & kLocked) != 0) next |= kStarving;  // not if it was just unlocked
    if (awoke) next &= ~kWoken;
    return next;
  }
};

// Waits a moment for the holder, which runs on another P, to be done; false if that makes no sense. While
// there are waiters it claims kWoken, so that unlock leaves the mutex to us and wakes nobody.
bool spin(Attempt* attempt, std::atomic<int32_t>* state, int32_t old) {
  if ((old & (kLocked | kStarving)) != kLocked || !rt::sync_can_spin(attempt->spins)) return false;
  if (!attempt->awoke && (old & kWoken) == 0 && old >> kWaiterShift != 0 &&
      state->compare_exchange_strong(old, old | kWoken, std::memory_order_relaxed)) {
    attempt->awoke = true;
  }
  rt::sync_do_spin(attempt->spins);
  ++attempt->spins;
  return true;
}

}  // namespace

void Mutex::lock_announced(int32_t seen) {
  announce(OpKind::lock, name_, true);
  lock_slow(seen);
}

void Mutex::lock_quietly() {
  int32_t seen = 0;
  if (!state_.compare_exchange_strong(seen, kLocked, std::memory_order_acquire, std::memory_order_relaxed)) lock_slow(seen);
}

// `old`: what the state was found to be, or 0. The CAS decides; to load it anew first would take the cache line
// from a holder on another P once more, who needs it to unlock.
void Mutex::lock_slow(int32_t old) {
  Attempt attempt;
  for (;;) {
    if (spin(&attempt, &state_, old)) {
      old = state_.load(std::memory_order_relaxed);
      continue;
    }
    const int32_t next = attempt.next_state(old);
    if (attempt.awoke && (old & kWoken) == 0) rt::throw_("sync: inconsistent mutex state");
    if (!state_.compare_exchange_weak(old, next, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      continue;
    }
    if ((old & (kLocked | kStarving)) == 0) return;
    const bool waited_before = attempt.wait_start_ns != 0;
    if (!waited_before) attempt.wait_start_ns = rt::nanotime_coarse();
    rt::semacquire1(&sema_, waited_before, rt::WaitReason::sync_mutex_lock);
    attempt.starving = attempt.starving ||
                       rt::nanotime_coarse() - attempt.wait_start_ns > kStarvationNs;
    old = state_.load(std::memory_order_relaxed);
    if ((old & kStarving) == 0) {
      attempt.awoke = true;
      attempt.spins = 0;
      continue;
    }
    // Handed over: kLocked is clear, and we are still counted as a waiter.
    if ((old & (kLocked | kWoken)) != 0 || old >> kWaiterShift == 0) {
      rt::throw_("sync: inconsistent mutex state");
    }
    int32_t delta = kLocked - kOneWaiter;
    if (!attempt.starving || old >> kWaiterShift == 1) delta -= kStarving;
    state_.fetch_add(delta, std::memory_order_acquire);
    return;
  }
}

bool Mutex::try_lock() {
  announce(OpKind::try_lock, name_, true);
  int32_t old = state_.load(std::memory_order_relaxed);
  if ((old & (kLocked | kStarving)) != 0) return false;
  return state_.compare_exchange_strong(old, old | kLocked, std::memory_order_acquire);
}

void Mutex::unlock_announced() {
  announce(OpKind::unlock, name_, true);
  unlock_quietly();
}

void Mutex::unlock_slow(int32_t state) {
  if (((state + kLocked) & kLocked) == 0) rt::throw_("sync: unlock of unlocked mutex");
  if ((state & kStarving) != 0) {
    rt::semrelease1(&sema_, true);
    return;
  }
  for (;;) {
    const bool nobody = state >> kWaiterShift == 0;
    if (nobody || (state & (kLocked | kWoken | kStarving)) != 0) return;
    const int32_t next = (state - kOneWaiter) | kWoken;
    if (state_.compare_exchange_weak(state, next, std::memory_order_release,
                                     std::memory_order_relaxed)) {
      rt::semrelease1(&sema_, false);
      return;
    }
  }
}

}  // namespace reprise
