// timer_create: a timer may call the program on a thread that libc makes for itself (SIGEV_THREAD).
//
// libc keeps such a thread from the first of these timers on, and makes it without our knowledge. Goroutines that all wait may be
// woken from there at any time, so they are no deadlock from then on. Not known likewise: what calls by threads of libc's after
// aio_read and the like, mq_notify and getaddrinfo_a.
#ifndef REPRISE_SANITIZED

#include <signal.h>
#include <time.h>

#include "runtime/sys/interpose.h"

extern "C" int timer_create(clockid_t clock, sigevent* event, timer_t* timer) noexcept {
  using namespace reprise::rt;
  static const auto libc_create = libc_function<int(clockid_t, sigevent*, timer_t*)>("timer_create");
  const int result = libc_create(clock, event, timer);
  if (result == 0 && event != nullptr && event->sigev_notify == SIGEV_THREAD) thread_of_libcs_calls();
  return result;
}

#endif  // REPRISE_SANITIZED
