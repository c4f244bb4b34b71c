// sem_*: waiting parks the goroutine.
//
// The value stays where libc has it, the low half of the first word, and the number of waiters in the
// high half, so that sem_getvalue works unchanged and sem_post, which signal handlers may call, looks
// at the table of waiters only if somebody waits. Semaphores shared between processes, which all that
// sem_open gives are, go to libc; a goroutine takes one by attempts.
#ifndef REPRISE_SANITIZED

#include <semaphore.h>

#include <cerrno>

#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

using seam::OpKind;

// libc's struct new_sem and what follows it.
struct Semaphore {
  uint64_t data;
  int shared;
  int pad;
  uint64_t name;  // libc leaves it alone; sem_init zeroes it
};
static_assert(sizeof(Semaphore) <= sizeof(sem_t));

constexpr uint64_t kWaiter = uint64_t{1} << 32;

Semaphore* of(sem_t* s) { return reinterpret_cast<Semaphore*>(s); }
std::atomic_ref<uint64_t> data_of(Semaphore* s) { return std::atomic_ref<uint64_t>(s->data); }
uint32_t value_of(uint64_t data) { return static_cast<uint32_t>(data); }

bool try_take(Semaphore* s) {
  const auto data = data_of(s);
  uint64_t seen = data.load(std::memory_order_relaxed);
  while (value_of(seen) != 0)
    if (data.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) return true;
  return false;
}

// 0, or ETIMEDOUT.
int take(Semaphore* s, const Deadline* deadline) {
  announce_object(OpKind::acquire, &s->name, true);
  if (try_take(s)) return 0;
  const auto data = data_of(s);
  data.fetch_add(kWaiter, std::memory_order_relaxed);
  int error = 0;
  while (error == 0 && !try_take(s)) {
    const Parked end = park(s, WaitReason::semacquire, deadline, [data] {
      return value_of(data.load(std::memory_order_relaxed)) == 0;
    });
    if (end == Parked::timed_out) error = ETIMEDOUT;
  }
  data.fetch_sub(kWaiter, std::memory_order_relaxed);
  return error;
}

int fail_with(int error) {
  errno = error;
  return -1;
}

// A shared one, on a goroutine: a call that waits inside libc would hold the P.
int take_shared(Semaphore* s, const Deadline* deadline) {
  const int error = attempt_until(deadline, [s] { return try_take(s) ? 0 : EBUSY; });
  return error == 0 ? 0 : fail_with(error);
}

int take_before(sem_t* s, clockid_t clock, const timespec* at) {
  if (const int error = check_deadline(clock, at); error != 0) return fail_with(error);
  const Deadline deadline{clock, *at};
  if (of(s)->shared != 0) return take_shared(of(s), &deadline);
  const int error = take(of(s), &deadline);
  return error == 0 ? 0 : fail_with(error);
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int sem_init(sem_t* s, int pshared, unsigned value) noexcept {
  static const auto libc_init = libc_function<int(sem_t*, int, unsigned)>("sem_init");
  const int result = libc_init(s, pshared, value);
  if (result == 0) of(s)->name = 0;
  return result;
}

int sem_wait(sem_t* s) {
  if (of(s)->shared == 0) return take(of(s), nullptr);
  static const auto libc_wait = libc_function<int(sem_t*)>("sem_wait");
  return on_goroutine() ? take_shared(of(s), nullptr) : libc_wait(s);
}

int sem_trywait(sem_t* s) noexcept {
  if (of(s)->shared == 0) announce_object(OpKind::acquire, &of(s)->name, true);
  return try_take(of(s)) ? 0 : fail_with(EAGAIN);
}

int sem_timedwait(sem_t* s, const timespec* at) {
  if (of(s)->shared == 0 || on_goroutine()) return take_before(s, CLOCK_REALTIME, at);
  static const auto libc_timedwait = libc_function<int(sem_t*, const timespec*)>("sem_timedwait");
  return libc_timedwait(s, at);
}

int sem_clockwait(sem_t* s, clockid_t clock, const timespec* at) {
  if (of(s)->shared == 0 || on_goroutine()) return take_before(s, clock, at);
  static const auto libc_clockwait =
      libc_function<int(sem_t*, clockid_t, const timespec*)>("sem_clockwait");
  return libc_clockwait(s, clock, at);
}

int sem_post(sem_t* s) noexcept {
  if (of(s)->shared != 0) {
    static const auto libc_post = libc_function<int(sem_t*)>("sem_post");
    return libc_post(s);
  }
  announce_object(OpKind::release, &of(s)->name, true);
  const auto data = data_of(of(s));
  uint64_t seen = data.load(std::memory_order_relaxed);
  do {
    if (value_of(seen) == SEM_VALUE_MAX) return fail_with(EOVERFLOW);
  } while (!data.compare_exchange_weak(seen, seen + 1, std::memory_order_release));
  if (seen >= kWaiter) unpark(s, 1);
  return 0;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
