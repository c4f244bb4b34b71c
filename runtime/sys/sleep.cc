// sleep, usleep, nanosleep, clock_nanosleep: a goroutine parks on a timer.
//
// A goroutine's sleep is never cut short by a signal: handlers run on threads, not on goroutines.
// Clocks other than the real-time and the monotonic one go to libc and hold the thread.
#ifndef REPRISE_SANITIZED

#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/sys/interpose.h"
#include "runtime/time/timer.h"

namespace reprise::rt {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t nanoseconds(const timespec& time) {
  if (time.tv_sec > INT64_MAX / kSecond - 1) return INT64_MAX;
  return time.tv_sec * kSecond + time.tv_nsec;
}

bool valid(const timespec& time) {
  return time.tv_sec >= 0 && time.tv_nsec >= 0 && time.tv_nsec < kSecond;
}

void sleep_ns(int64_t duration) {
  seam_point(seam::OpKind::sleep, {});
  time_sleep(duration);
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int nanosleep(const timespec* time, timespec* left) {
  static const auto libc_nanosleep = libc_function<int(const timespec*, timespec*)>("nanosleep");
  if (!on_goroutine()) return libc_nanosleep(time, left);
  if (!valid(*time)) {
    errno = EINVAL;
    return -1;
  }
  sleep_ns(nanoseconds(*time));
  return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  using Function = int(clockid_t, int, const timespec*, timespec*);
  static const auto libc_clock_nanosleep = libc_function<Function>("clock_nanosleep");
  const bool known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
  if (!on_goroutine() || !known) return libc_clock_nanosleep(clock, flags, time, left);
  if (!valid(*time)) return EINVAL;
  sleep_ns((flags & TIMER_ABSTIME) != 0 ? remaining_ns({clock, *time}) : nanoseconds(*time));
  return 0;
}

unsigned sleep(unsigned seconds) {
  static const auto libc_sleep = libc_function<unsigned(unsigned)>("sleep");
  if (!on_goroutine()) return libc_sleep(seconds);
  sleep_ns(seconds * kSecond);
  return 0;
}

int usleep(useconds_t microseconds) {
  static const auto libc_usleep = libc_function<int(useconds_t)>("usleep");
  if (!on_goroutine()) return libc_usleep(microseconds);
  sleep_ns(int64_t{microseconds} * 1000);
  return 0;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
