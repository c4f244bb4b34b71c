// Semaphore: a count and a line of waiters, guarded by a hashed lock.
//
// Invariants, under the lock: free_ + what is taken == size_; the first waiter does not fit, or a
// release is serving the line right now.
//
// A waiter is served by release(), which takes its share from free_ before it wakes it. One that
// also waits for a context has a channel (Sudog::c) on which it is told so; served and cancelled at
// once, it was served if it is no longer in the line when it looks under the lock.
//
// Without a policy the line is served strictly in order: the first that does not fit stops it. With
// one, any waiter that fits may be chosen: programs must not rely on the order.
#include <reprise/semaphore.h>

#include "runtime/chan/chan.h"
#include "runtime/chan/wake.h"
#include <reprise/chan.h>
#include <reprise/context.h>
#include "runtime/sched/foreign.h"
#include "runtime/sched/proc.h"
#include "runtime/sync/hashed_lock.h"
#include "runtime/sync/object_id.h"

namespace reprise {

using rt::announce;
using rt::HashedLockGuard;
using rt::Sudog;
using seam::OpKind;

namespace {

Sudog* next_to_serve(Sudog* first, int64_t free) {
  if (rt::seam_active) return rt::choose_waiter(first, free);
  return first != nullptr && first->weight <= free ? first : nullptr;
}

// Lock released. A waiter without a channel is parked; its frame is gone once it runs.
void wake(rt::G* gp, rt::hchan* ready) {
  if (ready == nullptr) return rt::goready(gp);
  rt::closechan_system(ready);
  rt::chan_release(ready);
}

}  // namespace

void Semaphore::unlink(Sudog* sg) {
  (sg->prev != nullptr ? sg->prev->next : first_) = sg->next;
  (sg->next != nullptr ? sg->next->prev : last_) = sg->prev;
  sg->next = sg->prev = nullptr;
  sg->queued = false;
}

// Lock held.
bool Semaphore::take_or_enqueue(Sudog* sg) {
  if (first_ == nullptr && sg->weight <= free_) {
    free_ -= sg->weight;
    return true;
  }
  sg->queued = true;
  sg->prev = last_;
  (last_ != nullptr ? last_->next : first_) = sg;
  last_ = sg;
  return false;
}

void Semaphore::acquire(int64_t n) {
  announce(OpKind::acquire, name_, true);
  Sudog sg;
  sg.g = rt::curg();
  if (sg.g == nullptr) return rt::on_goroutine([=, this] { acquire(n); });
  sg.weight = n;
  rt::Lock& lock = rt::hashed_lock(this);
  lock.lock();
  if (take_or_enqueue(&sg)) return lock.unlock();
  sg.sema = this;
  rt::G* const gp = sg.g;
  gp->waiting = &sg;
  rt::goparkunlock(&lock, rt::WaitReason::semacquire);
  gp->waiting = nullptr;
}

bool Semaphore::try_acquire(int64_t n) {
  announce(OpKind::acquire, name_, true);
  const HashedLockGuard guard(this);
  if (first_ != nullptr || n > free_) return false;
  free_ -= n;
  return true;
}

bool Semaphore::withdraw(Sudog* sg) {
  const HashedLockGuard guard(this);
  if (!sg->queued) return false;
  unlink(sg);
  return true;
}

bool Semaphore::acquire(const Context& ctx, int64_t n) {
  announce(OpKind::acquire, name_, true);
  if (ctx.err() != nullptr) return false;
  if (rt::on_foreign_thread()) {
    bool acquired = false;
    rt::on_goroutine([&] { acquired = acquire(ctx, n); });
    return acquired;
  }
  const Chan<Unit> ready;
  Sudog sg;
  sg.g = rt::curg();
  sg.weight = n;
  sg.c = ready.core();
  rt::chan_retain(sg.c);  // the releaser's, which lets go of it after this frame may be gone
  {
    const HashedLockGuard guard(this);
    if (take_or_enqueue(&sg)) {
      rt::chan_release(sg.c);
      return true;
    }
  }
  rt::hchan* const done = ctx.done().core();
  rt::scase cases[] = {{ready.core(), nullptr, false}, {done, nullptr, false}};
  rt::selectgo(cases, true);
  if (!withdraw(&sg)) return true;
  rt::chan_release(sg.c);
  return false;
}

void Semaphore::release(int64_t n) {
  announce(OpKind::release, name_, true);
  rt::Lock& lock = rt::hashed_lock(this);
  lock.lock();
  if (n < 0 || n > size_ - free_) {
    lock.unlock();
    rt::gopanic("semaphore: released more than held");
  }
  free_ += n;
  Sudog* served = nullptr;
  Sudog** link = &served;
  while (Sudog* sg = next_to_serve(first_, free_)) {
    unlink(sg);
    free_ -= sg->weight;
    *link = sg;
    link = &sg->waitlink;
  }
  lock.unlock();  // from here on *this may be gone: whoever is woken may destroy it
  while (served != nullptr) {
    rt::G* const gp = served->g;
    rt::hchan* const ready = served->c;
    served = served->waitlink;  // the frame that holds it ends with its wait
    wake(gp, ready);
  }
}

}  // namespace reprise
