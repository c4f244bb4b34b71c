// syscall(): a futex call of a goroutine parks it. What std::atomic::wait and notify, static
// initialisation guards and std::future rest on: libstdc++ makes these calls itself.
//
// libstdc++ does not say FUTEX_PRIVATE_FLAG for guards and futures, so a goroutine's wait counts as
// private either way: a wake by another process does not reach it. A wake wakes waiters of the table
// first, then sleepers in the kernel: threads that waited by another way than through this function.
#ifndef REPRISE_SANITIZED

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdarg>

#include "runtime/sys/interpose.h"
#include "runtime/time/clock.h"

namespace reprise::rt {
namespace {

using Syscall = long(long, ...);

Syscall* libc_syscall() {
  static const auto function = libc_function<Syscall>("syscall");
  return function;
}

int command_of(long op) { return static_cast<int>(op) & FUTEX_CMD_MASK; }

long fail_with(int error) {
  errno = error;
  return -1;
}

// The time of FUTEX_WAIT is relative and monotonic, that of FUTEX_WAIT_BITSET absolute.
Deadline deadline_of(long op, const timespec& time) {
  if (command_of(op) == FUTEX_WAIT_BITSET)
    return {(op & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, time};
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t at = nanotime() + time.tv_sec * kSecond + time.tv_nsec;
  return {CLOCK_MONOTONIC, {at / kSecond, at % kSecond}};
}

long futex_wait(long word, long op, long value, long time) {
  auto* const address = reinterpret_cast<uint32_t*>(word);
  if (time != 0) {
    if (check_deadline(CLOCK_MONOTONIC, reinterpret_cast<const timespec*>(time)) != 0)
      return fail_with(EINVAL);
  }
  seam_point(seam::OpKind::wait, {});
  Deadline deadline;
  if (time != 0) deadline = deadline_of(op, *reinterpret_cast<const timespec*>(time));
  const Parked end = park(address, WaitReason::atomic_wait, time != 0 ? &deadline : nullptr, [=] {
    return std::atomic_ref<uint32_t>(*address).load(std::memory_order_acquire) ==
           static_cast<uint32_t>(value);
  });
  if (end == Parked::woken) return 0;
  return fail_with(end == Parked::timed_out ? ETIMEDOUT : EAGAIN);
}

long futex_wake(long word, long op, long value) {
  announce_call(seam::OpKind::signal);
  const auto wanted = static_cast<size_t>(value < 0 ? INT_MAX : value);
  const size_t woken = unpark(reinterpret_cast<const void*>(word), wanted);
  if (woken == wanted) return static_cast<long>(woken);
  const long more = libc_syscall()(SYS_futex, word, op, static_cast<long>(wanted - woken), 0L, 0L,
                                   FUTEX_BITSET_MATCH_ANY);
  return more < 0 ? more : more + static_cast<long>(woken);
}

bool is_wait(long op) {
  return command_of(op) == FUTEX_WAIT || command_of(op) == FUTEX_WAIT_BITSET;
}

bool is_wake(long op) {
  return command_of(op) == FUTEX_WAKE || command_of(op) == FUTEX_WAKE_BITSET;
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

long syscall(long nr, ...) noexcept {
  va_list list;
  va_start(list, nr);
  long a[6];
  for (long& arg : a) arg = va_arg(list, long);
  va_end(list);
  if (nr == SYS_futex) {
    if (is_wait(a[1]) && on_goroutine()) return futex_wait(a[0], a[1], a[2], a[3]);
    if (is_wake(a[1])) return futex_wake(a[0], a[1], a[2]);
  }
  return libc_syscall()(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int sched_yield() noexcept {
  if (on_goroutine()) {
    gosched();
    return 0;
  }
  static const auto libc_yield = libc_function<int()>("sched_yield");
  return libc_yield();
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
