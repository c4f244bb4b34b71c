// pthread_cond_*: waiting parks the goroutine.
//
// A condition is a counter that every signal and broadcast moves on, and the waiters parked at its
// address. A waiter reads the counter while it holds the mutex and parks only if the counter has not
// moved since, so a signal between its unlock and its parking is not lost; it may then wake two
// waiters, which POSIX allows. libc's initialisers are kept: the clock and the sharing are where they
// put them. Conditions shared between processes go to libc; a goroutine that waits for one looks again
// and again, which to its loop is one spurious wakeup after another.
//
// A thread blocked here is not a cancellation point, unlike in libc.
#ifndef REPRISE_SANITIZED

#include <pthread.h>
#include <threads.h>

#include <cerrno>

#include "runtime/sys/interpose.h"
#include "runtime/sys/pthread_mutex.h"

namespace reprise::rt {
namespace {

using seam::OpKind;

constexpr unsigned kShared = 1, kMonotonic = 2;  // in __wrefs, as libc has them
constexpr const char* kVersion = "GLIBC_2.3.2";  // libc's older conditions are another type

std::atomic_ref<unsigned> counter_of(pthread_cond_t* c) {
  return std::atomic_ref<unsigned>(c->__data.__wseq.__value32.__low);
}

uint64_t* name_word(pthread_cond_t* c) {
  return reinterpret_cast<uint64_t*>(&c->__data.__g1_start);
}

bool shared(const pthread_cond_t* c) { return (c->__data.__wrefs & kShared) != 0; }

int wait(pthread_cond_t* c, pthread_mutex_t* m, const Deadline* deadline) {
  announce_object(OpKind::wait, name_word(c), true);
  const auto counter = counter_of(c);
  const unsigned before = counter.load(std::memory_order_relaxed);
  if (const int error = mutex_unlock_any(m); error != 0) return error;
  const Parked end = park(c, WaitReason::pthread_cond, deadline, [=] {
    return counter.load(std::memory_order_relaxed) == before;
  });
  if (const int error = mutex_lock_any(m); error != 0) return error;
  return end == Parked::timed_out ? ETIMEDOUT : 0;
}

int wait_until(pthread_cond_t* c, pthread_mutex_t* m, const Deadline& deadline) {
  if (const int error = check_deadline(deadline.clock, &deadline.at); error != 0) return error;
  return wait(c, m, &deadline);
}

// A condition of libc's, on a goroutine: a call that waits inside libc would hold the P.
int look_again(pthread_mutex_t* m, const Deadline* deadline) {
  if (const int error = mutex_unlock_any(m); error != 0) return error;
  sleep_between_attempts();
  if (const int error = mutex_lock_any(m); error != 0) return error;
  return deadline != nullptr && remaining_ns(*deadline) <= 0 ? ETIMEDOUT : 0;
}

int notify(pthread_cond_t* c, OpKind op, size_t count) {
  announce_object(op, name_word(c), true);
  counter_of(c).fetch_add(1, std::memory_order_relaxed);
  unpark(c, count);
  return 0;
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  if (!shared(c)) return wait(c, m, nullptr);
  static const auto libc_wait =
      libc_function<int(pthread_cond_t*, pthread_mutex_t*)>("pthread_cond_wait", kVersion);
  return on_goroutine() ? look_again(m, nullptr) : libc_wait(c, m);
}

int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* at) {
  const bool monotonic = (c->__data.__wrefs & kMonotonic) != 0;
  const Deadline deadline{monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, *at};
  if (!shared(c)) return wait_until(c, m, deadline);
  static const auto libc_timedwait = libc_function<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)>(
      "pthread_cond_timedwait", kVersion);
  return on_goroutine() ? look_again(m, &deadline) : libc_timedwait(c, m, at);
}

int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                           const timespec* at) {
  const Deadline deadline{clock, *at};
  if (!shared(c)) return wait_until(c, m, deadline);
  static const auto libc_clockwait =
      libc_function<int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>(
          "pthread_cond_clockwait");
  return on_goroutine() ? look_again(m, &deadline) : libc_clockwait(c, m, clock, at);
}

int pthread_cond_signal(pthread_cond_t* c) noexcept {
  if (!shared(c)) return notify(c, OpKind::signal, 1);
  static const auto libc_signal = libc_function<int(pthread_cond_t*)>("pthread_cond_signal", kVersion);
  return libc_signal(c);
}

int pthread_cond_broadcast(pthread_cond_t* c) noexcept {
  if (!shared(c)) return notify(c, OpKind::broadcast, kAllWaiters);
  static const auto libc_broadcast =
      libc_function<int(pthread_cond_t*)>("pthread_cond_broadcast", kVersion);
  return libc_broadcast(c);
}

int cnd_wait(cnd_t* c, mtx_t* m) {
  const int result = pthread_cond_wait(reinterpret_cast<pthread_cond_t*>(c),
                                       reinterpret_cast<pthread_mutex_t*>(m));
  return result == 0 ? thrd_success : thrd_error;
}

int cnd_timedwait(cnd_t* c, mtx_t* m, const timespec* at) {
  const int result = pthread_cond_timedwait(reinterpret_cast<pthread_cond_t*>(c),
                                            reinterpret_cast<pthread_mutex_t*>(m), at);
  return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int cnd_signal(cnd_t* c) {
  return pthread_cond_signal(reinterpret_cast<pthread_cond_t*>(c)) == 0 ? thrd_success : thrd_error;
}

int cnd_broadcast(cnd_t* c) {
  return pthread_cond_broadcast(reinterpret_cast<pthread_cond_t*>(c)) == 0 ? thrd_success
                                                                           : thrd_error;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
