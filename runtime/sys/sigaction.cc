// sigaction and signal: SIGURG is the runtime's while it preempts, the program's handler is called by it.
//
// Everything else is libc's. In controlled modes and with asynchronous preemption off that is true of
// SIGURG too. Ways round these two names (the system call, sigset, sysv_signal) take SIGURG away from the
// runtime: goroutines then give way at scheduling points only.
#ifndef REPRISE_SANITIZED

#include <signal.h>

#include "runtime/signal/sigpreempt.h"
#include "runtime/sys/interpose.h"

using namespace reprise::rt;

extern "C" {

int sigaction(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
  static const auto libc_sigaction = libc_function<decltype(sigaction)>("sigaction");
  if (signal == SIGURG && async_preempt_on()) return urgent_action(action, before);
  return libc_sigaction(signal, action, before);
}

sighandler_t signal(int number, sighandler_t handler) noexcept {
  static const auto libc_signal = libc_function<decltype(signal)>("signal");
  if (number != SIGURG || !async_preempt_on()) return libc_signal(number, handler);
  struct sigaction action {}, before{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  urgent_action(&action, &before);
  return before.sa_handler;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
