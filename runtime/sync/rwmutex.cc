// RWMutex: Go's. Writers exclude each other by w_; a writer announces itself by taking kMaxReaders
// from reader_count_, waits for the readers that were already in, and lets those in that came
// meanwhile when it leaves.
//
// Invariants: reader_count_ is the number of readers in or waiting, minus kMaxReaders while a writer
// waits or writes. reader_wait_ counts the readers that the announced writer still has to wait for;
// it may be negative for a moment, when one leaves between the announcement and the addition.
//
// Ordering: the counters' read-modify-writes are acquire and release, so readers see the writer
// before them and the writer sees all readers before it.
#include <reprise/sync.h>
#include "runtime/sched/proc.h"
#include "runtime/sched/sema.h"
#include "runtime/sync/object_id.h"

namespace reprise {

using rt::announce;
using rt::WaitReason;
using seam::OpKind;

namespace {
constexpr int32_t kMaxReaders = 1 << 30;
}  // namespace

void RWMutex::rlock_announced() {
  announce(OpKind::rlock, name_, false);
  if (reader_count_.fetch_add(1, std::memory_order_acq_rel) + 1 < 0) rlock_slow();
}

// A writer waits or writes.
void RWMutex::rlock_slow() { rt::semacquire1(&reader_sem_, false, WaitReason::sync_rwmutex_rlock); }

bool RWMutex::try_rlock() {
  announce(OpKind::try_lock, name_, false);
  int32_t readers = reader_count_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  while (readers >= 0) {
    if (reader_count_.compare_exchange_weak(readers, readers + 1, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void RWMutex::runlock_announced() {
  announce(OpKind::runlock, name_, false);
  runlock_quietly();
}

void RWMutex::runlock_slow(int32_t readers) {
  if (readers + 1 == 0 || readers + 1 == -kMaxReaders) {
    rt::throw_("sync: RUnlock of unlocked RWMutex");
  }
  // The last reader lets the writer in.
  if (reader_wait_.fetch_sub(1, std::memory_order_acq_rel) - 1 == 0) rt::semrelease(&writer_sem_);
}

void RWMutex::lock() {
  announce(OpKind::lock, name_, true);
  w_.lock_quietly();
  const int32_t readers = reader_count_.fetch_sub(kMaxReaders, std::memory_order_acq_rel);
  if (readers != 0 && reader_wait_.fetch_add(readers, std::memory_order_acq_rel) + readers != 0) {
    rt::semacquire1(&writer_sem_, false, WaitReason::sync_rwmutex_lock);
  }
}

bool RWMutex::try_lock() {
  announce(OpKind::try_lock, name_, true);
  int32_t free = 0;
  if (!w_.state_.compare_exchange_strong(free, 1, std::memory_order_acquire)) return false;
  int32_t readers = 0;
  if (reader_count_.compare_exchange_strong(readers, -kMaxReaders, std::memory_order_acq_rel)) {
    return true;
  }
  w_.unlock_quietly();
  return false;
}

void RWMutex::unlock() {
  announce(OpKind::unlock, name_, true);
  const int32_t readers =
      reader_count_.fetch_add(kMaxReaders, std::memory_order_acq_rel) + kMaxReaders;
  if (readers >= kMaxReaders) rt::throw_("sync: Unlock of unlocked RWMutex");
  for (int32_t i = 0; i < readers; ++i) rt::semrelease(&reader_sem_);
  w_.unlock_quietly();
}

}  // namespace reprise
