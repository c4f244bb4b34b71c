// FdMutex, after the reference's internal/poll: one word, and two semaphores for those who wait.
//
// Invariants: a lock holds a reference of its own; a waiter holds none, and its count in the word
// is taken away by whoever wakes it, together with one release of the semaphore.
#include "runtime/poll/fd_mutex.h"

#include "runtime/sched/proc.h"

namespace reprise::rt {
namespace {

constexpr uint64_t kClosed = 1 << 0;
constexpr uint64_t kRLock = 1 << 1;
constexpr uint64_t kWLock = 1 << 2;
constexpr uint64_t kRef = 1 << 3;
constexpr uint64_t kRefMask = ((uint64_t{1} << 20) - 1) << 3;
constexpr uint64_t kRWait = uint64_t{1} << 23;
constexpr uint64_t kRMask = ((uint64_t{1} << 20) - 1) << 23;
constexpr uint64_t kWWait = uint64_t{1} << 43;
constexpr uint64_t kWMask = ((uint64_t{1} << 20) - 1) << 43;

constexpr const char* kOverflow = "too many concurrent operations on a single file or socket (max 1048575)";
constexpr const char* kInconsistent = "inconsistent FdMutex";

struct Side {
  uint64_t bit, wait, mask;
};
constexpr Side side_of(bool read) {
  return read ? Side{kRLock, kRWait, kRMask} : Side{kWLock, kWWait, kWMask};
}

}  // namespace

struct FdSemaphore::Waiter {
  G* gp = nullptr;
  Waiter* next = nullptr;
};

void FdSemaphore::acquire() {
  Waiter waiter;
  lock_.lock();
  if (count_ > 0) {
    count_--;
    lock_.unlock();
    return;
  }
  waiter.gp = curg();
  (head_ ? tail_->next : head_) = &waiter;
  tail_ = &waiter;
  goparkunlock(&lock_, WaitReason::semacquire);
}

void FdSemaphore::release() {
  lock_.lock();
  Waiter* waiter = head_;
  G* gp = nullptr;
  if (waiter) {
    head_ = waiter->next;
    gp = waiter->gp;
  } else {
    count_++;
  }
  lock_.unlock();
  if (gp) goready(gp);
}

bool FdMutex::incref() {
  uint64_t old = state_.load();
  for (;;) {
    if (old & kClosed) return false;
    const uint64_t next = old + kRef;
    if ((next & kRefMask) == 0) gopanic(kOverflow);
    if (state_.compare_exchange_weak(old, next)) return true;
  }
}

bool FdMutex::increfAndClose() {
  uint64_t old = state_.load();
  for (;;) {
    if (old & kClosed) return false;
    uint64_t next = (old | kClosed) + kRef;
    if ((next & kRefMask) == 0) gopanic(kOverflow);
    next &= ~(kRMask | kWMask);  // all waiters are woken below, and find it closed
    if (!state_.compare_exchange_weak(old, next)) continue;
    for (; old & kRMask; old -= kRWait) rsema_.release();
    for (; old & kWMask; old -= kWWait) wsema_.release();
    return true;
  }
}

bool FdMutex::decref() {
  uint64_t old = state_.load();
  for (;;) {
    if ((old & kRefMask) == 0) gopanic(kInconsistent);
    const uint64_t next = old - kRef;
    if (state_.compare_exchange_weak(old, next)) {
      return (next & (kClosed | kRefMask)) == kClosed;
    }
  }
}

bool FdMutex::rwlock(bool read) {
  const Side side = side_of(read);
  uint64_t old = state_.load();
  for (;;) {
    if (old & kClosed) return false;
    const bool free = (old & side.bit) == 0;
    const uint64_t next = free ? (old | side.bit) + kRef : old + side.wait;
    if ((next & (free ? kRefMask : side.mask)) == 0) gopanic(kOverflow);
    if (!state_.compare_exchange_weak(old, next)) continue;
    if (free) return true;
    semaphore(read).acquire();
    // Whoever woke us took our count away; compete again.
    old = state_.load();
  }
}

bool FdMutex::rwunlock(bool read) {
  const Side side = side_of(read);
  uint64_t old = state_.load();
  for (;;) {
    if ((old & side.bit) == 0 || (old & kRefMask) == 0) gopanic(kInconsistent);
    uint64_t next = (old & ~side.bit) - kRef;
    if (old & side.mask) next -= side.wait;
    if (!state_.compare_exchange_weak(old, next)) continue;
    if (old & side.mask) semaphore(read).release();
    return (next & (kClosed | kRefMask)) == kClosed;
  }
}

bool FdMutex::closed() const { return state_.load() & kClosed; }

}  // namespace reprise::rt
