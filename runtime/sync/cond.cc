// CondQueue: a list of waiters in order of arrival, guarded by a hashed lock.
//
// A waiter is on the list before its user lock is released, so a notify that follows the release
// finds it. It may be chosen before it has parked: then `success` is set and wait() returns at
// once. Whoever chooses a waiter reads what it needs of it under the lock; afterwards it touches
// the waiter's goroutine only if that is parked.
//
// Other than the reference's ticket counters this lets the policy choose among all who wait.
#include <new>

#include "runtime/chan/sudog.h"
#include "runtime/chan/wake.h"
#include <reprise/sync.h>
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/hashed_lock.h"
#include "runtime/sync/object_id.h"

namespace reprise {

using rt::announce;
using rt::HashedLockGuard;
using rt::Sudog;
using seam::OpKind;

static_assert(sizeof(Sudog) <= sizeof(CondQueue::Waiter));
static_assert(alignof(Sudog) <= alignof(CondQueue::Waiter));

namespace {

Sudog* sudog_of(CondQueue::Waiter& waiter) {
  return std::launder(reinterpret_cast<Sudog*>(waiter.storage));
}

void append(Sudog** first, Sudog** last, Sudog* sg) {
  sg->prev = *last;
  (sg->prev != nullptr ? sg->prev->next : *first) = sg;
  *last = sg;
  sg->queued = true;
}

void unlink(Sudog** first, Sudog** last, Sudog* sg) {
  (sg->prev != nullptr ? sg->prev->next : *first) = sg->next;
  (sg->next != nullptr ? sg->next->prev : *last) = sg->prev;
  sg->next = sg->prev = nullptr;
  sg->queued = false;
}

}  // namespace

void CondQueue::enqueue(Waiter& waiter) {
  announce(OpKind::wait, name_, true);
  auto* sg = new (waiter.storage) Sudog;
  sg->g = rt::require_goroutine("Cond::wait");
  const HashedLockGuard guard(this);
  append(&first_, &last_, sg);
}

void CondQueue::wait(Waiter& waiter) {
  Sudog* sg = sudog_of(waiter);
  rt::Lock& lock = rt::hashed_lock(this);
  lock.lock();
  if (sg->success) {
    lock.unlock();
    return;
  }
  sg->parked = true;
  sg->sema = this;
  sg->g->waiting = sg;
  rt::goparkunlock(&lock, rt::WaitReason::sync_cond_wait);
  sg->g->waiting = nullptr;
}

void CondQueue::withdraw(Waiter& waiter) {
  const HashedLockGuard guard(this);
  Sudog* sg = sudog_of(waiter);
  if (sg->queued) unlink(&first_, &last_, sg);
}

void CondQueue::notify_one() {
  announce(OpKind::signal, name_, true);
  rt::G* gp = nullptr;
  {
    const HashedLockGuard guard(this);
    Sudog* sg = rt::choose_waiter(first_);
    if (sg == nullptr) return;
    unlink(&first_, &last_, sg);
    sg->success = true;
    if (sg->parked) gp = sg->g;
  }
  if (gp != nullptr) rt::goready(gp);
}

void CondQueue::notify_all() {
  announce(OpKind::broadcast, name_, true);
  rt::WakeList woken;
  {
    const HashedLockGuard guard(this);
    while (Sudog* sg = first_) {
      unlink(&first_, &last_, sg);
      sg->success = true;
      if (sg->parked) woken.push(sg->g);
    }
  }
  woken.ready_all();
}

}  // namespace reprise
