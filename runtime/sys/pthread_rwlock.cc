// pthread_rwlock_*: waiting parks the goroutine.
//
// A read-write lock is one word: the number of readers, or all ones for a writer; beside it the
// number of writers that wait, which holds readers back only if the lock was made to prefer writers,
// as in libc. Who lets go last wakes all waiters and they try again in the order that the scheduler
// gives them. Locks shared between processes go to libc; a goroutine takes one by attempts and keeps
// its thread while it holds it.
#ifndef REPRISE_SANITIZED

#include <pthread.h>

#include <cerrno>

#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

using seam::OpKind;

constexpr unsigned kWriter = UINT32_MAX;

class RwLock {
 public:
  explicit RwLock(pthread_rwlock_t* lock) : lock_(lock) {}

  bool shared() const { return lock_->__data.__shared != 0; }
  uint64_t* name_word() const {
    return reinterpret_cast<uint64_t*>(&lock_->__data.__wrphase_futex);
  }

  bool may_read() const {
    return state() != kWriter &&
           (lock_->__data.__flags != PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP ||
            waiting().load(std::memory_order_relaxed) == 0);
  }

  bool try_read() const {
    std::atomic_ref<unsigned> word(lock_->__data.__readers);
    unsigned seen = word.load(std::memory_order_relaxed);
    while (may_read() && seen < kWriter - 1)
      if (word.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire)) return true;
    return false;
  }

  bool try_write() const {
    unsigned free = 0;
    return std::atomic_ref<unsigned>(lock_->__data.__readers)
        .compare_exchange_strong(free, kWriter, std::memory_order_seq_cst);
  }

  int read(const Deadline* deadline) const {
    while (!try_read()) {
      const Parked end = park(lock_, WaitReason::pthread_lock, deadline,
                              [this] { return !may_read(); });
      if (end == Parked::timed_out) return ETIMEDOUT;
    }
    return 0;
  }

  int write(const Deadline* deadline) const {
    if (try_write()) return note_writer();
    waiting().fetch_add(1, std::memory_order_seq_cst);  // against unlock()
    int error = 0;
    while (error == 0 && !try_write()) {
      const Parked end =
          park(lock_, WaitReason::pthread_lock, deadline, [this] { return state() != 0; });
      if (end == Parked::timed_out) error = ETIMEDOUT;
    }
    waiting().fetch_sub(1, std::memory_order_relaxed);
    if (error == 0) return note_writer();
    unpark(lock_, kAllWaiters);  // readers that stood back for us
    return error;
  }

  int unlock() const {
    std::atomic_ref<unsigned> word(lock_->__data.__readers);
    if (state() == kWriter) {
      lock_->__data.__cur_writer = 0;
      word.store(0, std::memory_order_release);
    } else if (word.fetch_sub(1, std::memory_order_seq_cst) != 1 ||
               waiting().load(std::memory_order_seq_cst) == 0) {
      // While readers hold it only writers wait, or readers behind a waiting writer. A writer counts
      // itself, then tries once more: one that is not seen here sees a free lock.
      return 0;
    }
    unpark(lock_, kAllWaiters);
    return 0;
  }

  bool written_by_self() const {
    return state() == kWriter && lock_->__data.__cur_writer == static_cast<int>(lock_owner_id());
  }

 private:
  unsigned state() const {
    return std::atomic_ref<unsigned>(lock_->__data.__readers).load(std::memory_order_relaxed);
  }
  std::atomic_ref<unsigned> waiting() const {
    return std::atomic_ref<unsigned>(lock_->__data.__writers);
  }
  int note_writer() const {
    lock_->__data.__cur_writer = static_cast<int>(lock_owner_id());
    return 0;
  }

  pthread_rwlock_t* lock_;
};

enum class Side : bool { read, write };

int lock(pthread_rwlock_t* l, Side side, const Deadline* deadline) {
  const RwLock rw(l);
  announce_object(side == Side::read ? OpKind::rlock : OpKind::lock, rw.name_word(),
                  side == Side::write);
  if (rw.written_by_self()) return EDEADLK;
  return side == Side::read ? rw.read(deadline) : rw.write(deadline);
}

// A shared lock of libc's, taken by attempts on a goroutine, which then keeps its thread.
template <class Try>
int pinned(pthread_rwlock_t* l, const Deadline* deadline, Try* libc_try) {
  PinnedCall pin;
  const int result = attempt_until(deadline, [=] { return libc_try(l); });
  if (result == 0) pin.keep();
  return result;
}

using Plain = int(pthread_rwlock_t*);
using Clocked = int(pthread_rwlock_t*, clockid_t, const timespec*);

// Everything for shared locks: `side` and perhaps a deadline.
int lock_shared(pthread_rwlock_t* l, Side side, const Deadline* deadline) {
  static const auto try_read = libc_function<Plain>("pthread_rwlock_tryrdlock");
  static const auto try_write = libc_function<Plain>("pthread_rwlock_trywrlock");
  static const auto read = libc_function<Plain>("pthread_rwlock_rdlock");
  static const auto write = libc_function<Plain>("pthread_rwlock_wrlock");
  static const auto timed_read = libc_function<Clocked>("pthread_rwlock_clockrdlock");
  static const auto timed_write = libc_function<Clocked>("pthread_rwlock_clockwrlock");
  const bool reads = side == Side::read;
  if (on_goroutine()) return pinned(l, deadline, reads ? try_read : try_write);
  if (deadline == nullptr) return (reads ? read : write)(l);
  return (reads ? timed_read : timed_write)(l, deadline->clock, &deadline->at);
}

int lock_any(pthread_rwlock_t* l, Side side, const Deadline* deadline) {
  return RwLock(l).shared() ? lock_shared(l, side, deadline) : lock(l, side, deadline);
}

int lock_before(pthread_rwlock_t* l, Side side, clockid_t clock, const timespec* at) {
  if (const int error = check_deadline(clock, at); error != 0) return error;
  const Deadline deadline{clock, *at};
  return lock_any(l, side, &deadline);
}

int trylock_shared(pthread_rwlock_t* l, const char* name) {
  PinnedCall pin;
  const int result = libc_function<Plain>(name)(l);
  if (result == 0) pin.keep();
  return result;
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept { return lock_any(l, Side::read, nullptr); }

int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept { return lock_any(l, Side::write, nullptr); }

int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) noexcept {
  const RwLock rw(l);
  if (rw.shared()) return trylock_shared(l, "pthread_rwlock_tryrdlock");
  announce_object(OpKind::try_lock, rw.name_word(), true);
  return rw.try_read() ? 0 : EBUSY;
}

int pthread_rwlock_trywrlock(pthread_rwlock_t* l) noexcept {
  const RwLock rw(l);
  if (rw.shared()) return trylock_shared(l, "pthread_rwlock_trywrlock");
  announce_object(OpKind::try_lock, rw.name_word(), true);
  if (!rw.try_write()) return EBUSY;
  l->__data.__cur_writer = static_cast<int>(lock_owner_id());
  return 0;
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* at) noexcept {
  return lock_before(l, Side::read, CLOCK_REALTIME, at);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* at) noexcept {
  return lock_before(l, Side::write, CLOCK_REALTIME, at);
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock, const timespec* at) noexcept {
  return lock_before(l, Side::read, clock, at);
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock, const timespec* at) noexcept {
  return lock_before(l, Side::write, clock, at);
}

int pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept {
  const RwLock rw(l);
  if (!rw.shared()) {
    const bool writes = l->__data.__cur_writer != 0;
    announce_object(writes ? OpKind::unlock : OpKind::runlock, rw.name_word(), true);
    return rw.unlock();
  }
  static const auto libc_s = libc_function<Plain>("pthread_rwlock_unlock");
  const int result = libc_s(l);
  if (result == 0 && on_goroutine()) unlock_os_thread();
  return result;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
