// sigaction and signal: SIGURG is the runtime's while it preempts, the program's handler is called by it.
//
// Everything else is libc's. In controlled modes and with asynchronous preemption off that is true of
// SIGURG too. Ways round these two names (the system call, sigset, sysv_signal) take SIGURG away from the
// runtime: goroutines then give way at scheduling points only.
#include <signal.h>

#include "runtime/signal/sigpreempt.h"
#include "runtime/sys/interpose.h"
#include "runtime/sys/sigaction.h"

#ifdef REPRISE_SANITIZED

namespace reprise::rt::sys {

int own_sigaction(int signal, const struct sigaction* action, struct sigaction* before) {
  // Found at most once too often: relaxed.
  static std::atomic<decltype(&::sigaction)> libc_sigaction{nullptr};
  auto* found = libc_sigaction.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = libc_function<decltype(::sigaction)>("sigaction");
    libc_sigaction.store(found, std::memory_order_relaxed);
  }
  return found(signal, action, before);
}

}  // namespace reprise::rt::sys

#else

namespace reprise::rt::sys {

int own_sigaction(int signal, const struct sigaction* action, struct sigaction* before) {
  return ::sigaction(signal, action, before);
}

}  // namespace reprise::rt::sys

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
