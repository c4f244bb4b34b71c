// pthread_mutex_*: a goroutine that must wait parks, a thread sleeps.
//
// Plain mutexes (normal, adaptive, recursive, error checking; static initialisers and libc's
// pthread_mutex_init alike) are ours for goroutines and threads both: the lock word is 0 free,
// 1 held, 2 held and perhaps waited for, and the owner of a recursive or error-checking one is the
// goroutine. All others go to libc, with the goroutine pinned to a thread of its own while it holds
// one: robust, priority inheriting or protecting, and shared between processes.
//
// Nothing in libc takes a program's mutex by itself except its own pthread_cond_wait, which
// pthread_cond.cc replaces.
#ifndef REPRISE_SANITIZED

#include "runtime/sys/pthread_mutex.h"

#include <threads.h>

#include <cerrno>
#include <optional>

#include "runtime/race/race.h"
#include "runtime/sched/schedules.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

using seam::OpKind;

constexpr int kTypeMask = 3;
constexpr int kElisionFlags = 256 | 512;  // libc notes here whether it may elide; we never do

uint64_t* name_word(pthread_mutex_t* m) { return reinterpret_cast<uint64_t*>(&m->__data.__list); }

std::atomic_ref<int> word_of(pthread_mutex_t* m) { return std::atomic_ref<int>(m->__data.__lock); }

bool ours(const pthread_mutex_t* m) {
  return (m->__data.__kind & ~(kTypeMask | kElisionFlags)) == 0;
}

int type_of(const pthread_mutex_t* m) { return m->__data.__kind & kTypeMask; }

bool owned(const pthread_mutex_t* m) {
  const int type = type_of(m);
  return type == PTHREAD_MUTEX_RECURSIVE_NP || type == PTHREAD_MUTEX_ERRORCHECK_NP;
}

// Written by the holder, and compared with their own id by others, to whom any other id is the same:
// relaxed.
std::atomic_ref<int> owner_of(pthread_mutex_t* m) {
  return std::atomic_ref<int>(m->__data.__owner);
}

// Who waits for which mutex without a limit, under a policy: one runs at a time. On their stacks.
struct Waiting {
  uint32_t who;
  pthread_mutex_t* mutex;
  Waiting* next;
};
constinit Waiting* waiting = nullptr;

class WaitsFor {
 public:
  WaitsFor(uint32_t self, pthread_mutex_t* m) : entry_{self, m, waiting} { waiting = &entry_; }
  ~WaitsFor() {
    Waiting** at = &waiting;
    while (*at != &entry_) at = &(*at)->next;
    *at = entry_.next;
  }
  WaitsFor(const WaitsFor&) = delete;
  WaitsFor& operator=(const WaitsFor&) = delete;

  // Whether the holder waits for a mutex whose holder waits, and so on, back to this one. POSIX leaves the unlocking
  // to the holder alone, so none of them ever goes on: all others of the ring are in acquire(), without a limit.
  // Whoever was woken and has not taken its mutex yet is in the ring only if another holds that by now.
  bool closes_ring() const {
    const Waiting* at = &entry_;
    for (size_t steps = 0; at != nullptr && steps < kLongestRing; ++steps) {
      const auto holder = static_cast<uint32_t>(owner_of(at->mutex).load(std::memory_order_relaxed));
      if (holder == entry_.who) return true;
      at = entry_of(holder);
    }
    return false;
  }

 private:
  static constexpr size_t kLongestRing = 1000;

  static const Waiting* entry_of(uint32_t who) {
    const Waiting* at = who != 0 ? waiting : nullptr;
    while (at != nullptr && at->who != who) at = at->next;
    return at;
  }

  Waiting entry_;
};

// Drepper's mutex. 0, or ETIMEDOUT.
int acquire(pthread_mutex_t* m, const Deadline* deadline) {
  const auto word = word_of(m);
  int free = 0;
  if (word.compare_exchange_strong(free, 1, std::memory_order_acquire)) return 0;
  std::optional<WaitsFor> waits;
  if (deadline == nullptr && on_goroutine() && ends_when_stuck()) waits.emplace(lock_owner_id(), m);
  while (word.exchange(2, std::memory_order_acquire) != 0) {
    if (waits && waits->closes_ring()) next_park_is_for_ever();
    const Parked end = park(m, WaitReason::pthread_lock, deadline,
                            [word] { return word.load(std::memory_order_relaxed) == 2; });
    if (end == Parked::timed_out) return ETIMEDOUT;
  }
  return 0;
}

void taken(pthread_mutex_t* m, uint32_t self) {
  owner_of(m).store(static_cast<int>(self), std::memory_order_relaxed);
  m->__data.__count = 1;
  ++m->__data.__nusers;
}

// A mutex that the caller already holds: 0 or an error if it has an answer to that, else EBUSY.
int lock_again(pthread_mutex_t* m) {
  if (type_of(m) == PTHREAD_MUTEX_ERRORCHECK_NP) return EDEADLK;
  if (m->__data.__count == UINT32_MAX) return EAGAIN;
  ++m->__data.__count;
  return 0;
}

bool held_by(pthread_mutex_t* m, uint32_t self) {
  return owner_of(m).load(std::memory_order_relaxed) == static_cast<int>(self);
}

int libc_trylock(pthread_mutex_t* m) {
  static const auto function = libc_function<int(pthread_mutex_t*)>("pthread_mutex_trylock");
  return function(m);
}

// Takes a mutex of libc's on a goroutine, which stays on its thread until it unlocks.
int pinned(pthread_mutex_t* m, const Deadline* deadline) {
  PinnedCall pin;
  const int result = attempt_until(deadline, [m] { return libc_trylock(m); });
  if (result == 0 || result == EOWNERDEAD) pin.keep();
  return result;
}

int lock_before(pthread_mutex_t* m, clockid_t clock, const timespec* at) {
  if (const int error = check_deadline(clock, at); error != 0) return error;
  const Deadline deadline{clock, *at};
  if (!ours(m)) return pinned(m, &deadline);
  announce_object(OpKind::lock, name_word(m), true);
  const int error = mutex_lock(m, &deadline);
  if (error == 0) race_acquire(m);
  return error;
}

}  // namespace

int mutex_lock(pthread_mutex_t* m, const Deadline* deadline) {
  const uint32_t self = lock_owner_id();
  if (owned(m) && held_by(m, self)) return lock_again(m);
  if (const int error = acquire(m, deadline); error != 0) return error;
  taken(m, self);
  return 0;
}

int mutex_unlock(pthread_mutex_t* m) {
  if (owned(m)) {
    if (!held_by(m, lock_owner_id())) return EPERM;
    if (--m->__data.__count != 0) return 0;
  }
  owner_of(m).store(0, std::memory_order_relaxed);
  --m->__data.__nusers;
  if (word_of(m).exchange(0, std::memory_order_release) == 2) unpark(m, 1);
  return 0;
}

int mutex_lock_any(pthread_mutex_t* m) {
  if (ours(m)) {
    const int error = mutex_lock(m, nullptr);
    race_acquire(m);  // also for who waited for a condition, and announces no lock
    return error;
  }
  static const auto libc_lock = libc_function<int(pthread_mutex_t*)>("pthread_mutex_lock");
  return on_goroutine() ? pinned(m, nullptr) : libc_lock(m);
}

int mutex_unlock_any(pthread_mutex_t* m) {
  race_release(m);
  if (ours(m)) return mutex_unlock(m);
  static const auto libc_unlock = libc_function<int(pthread_mutex_t*)>("pthread_mutex_unlock");
  const int result = libc_unlock(m);
  if (result == 0 && on_goroutine()) unlock_os_thread();
  return result;
}

}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
  if (ours(m)) announce_object(OpKind::lock, name_word(m), true);
  return mutex_lock_any(m);
}

int pthread_mutex_unlock(pthread_mutex_t* m) noexcept {
  if (ours(m)) announce_object(OpKind::unlock, name_word(m), true);
  return mutex_unlock_any(m);
}

int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
  if (!ours(m)) {
    PinnedCall pin;
    const int result = libc_trylock(m);
    if (result == 0 || result == EOWNERDEAD) pin.keep();
    return result;
  }
  announce_object(OpKind::try_lock, name_word(m), true);
  const uint32_t self = lock_owner_id();
  if (type_of(m) == PTHREAD_MUTEX_RECURSIVE_NP && held_by(m, self)) return lock_again(m);
  int free = 0;
  if (!word_of(m).compare_exchange_strong(free, 1, std::memory_order_acquire)) return EBUSY;
  taken(m, self);
  race_acquire(m);
  return 0;
}

int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* at) noexcept {
  if (ours(m) || on_goroutine()) return lock_before(m, CLOCK_REALTIME, at);
  static const auto libc_timedlock =
      libc_function<int(pthread_mutex_t*, const timespec*)>("pthread_mutex_timedlock");
  return libc_timedlock(m, at);
}

int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* at) noexcept {
  if (ours(m) || on_goroutine()) return lock_before(m, clock, at);
  static const auto libc_clocklock = libc_function<int(pthread_mutex_t*, clockid_t, const timespec*)>(
      "pthread_mutex_clocklock");
  return libc_clocklock(m, clock, at);
}

// C11's mutexes are the same objects; libc's functions would bypass ours.
int mtx_lock(mtx_t* m) {
  return pthread_mutex_lock(reinterpret_cast<pthread_mutex_t*>(m)) == 0 ? thrd_success : thrd_error;
}

int mtx_unlock(mtx_t* m) {
  return pthread_mutex_unlock(reinterpret_cast<pthread_mutex_t*>(m)) == 0 ? thrd_success : thrd_error;
}

int mtx_trylock(mtx_t* m) {
  const int result = pthread_mutex_trylock(reinterpret_cast<pthread_mutex_t*>(m));
  return result == 0 ? thrd_success : result == EBUSY ? thrd_busy : thrd_error;
}

int mtx_timedlock(mtx_t* m, const timespec* at) {
  const int result = pthread_mutex_timedlock(reinterpret_cast<pthread_mutex_t*>(m), at);
  return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
