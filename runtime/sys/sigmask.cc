// pthread_sigmask and sigprocmask: a signal mask belongs to a thread, so a goroutine may change it only
// while it is locked to one.
//
// Otherwise the change would stay behind with whatever goroutine the thread runs next, and the one that
// made it would go on without it. A mistake of the program's, hence fatal and not an error that callers
// ignore. Looking at the mask is allowed; it is the thread's at that moment. Threads of the program's own
// do as they like. What libc does inside its own calls does not come here and does not outlast them.
#ifndef REPRISE_SANITIZED

#include <signal.h>

#include <string>

#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

using Sigmask = int(int, const sigset_t*, sigset_t*);

void require_pinned(const char* call, const sigset_t* set) {
  if (set == nullptr || !on_goroutine() || curg()->locked_count != 0) return;
  throw_(std::string(call) +
         " on a goroutine that is not locked to a thread: call lock_os_thread() before");
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_sigmask(int how, const sigset_t* set, sigset_t* before) noexcept {
  static const auto libc_sigmask = libc_function<Sigmask>("pthread_sigmask");
  require_pinned("pthread_sigmask", set);
  return libc_sigmask(how, set, before);
}

int sigprocmask(int how, const sigset_t* set, sigset_t* before) noexcept {
  static const auto libc_sigprocmask = libc_function<Sigmask>("sigprocmask");
  require_pinned("sigprocmask", set);
  return libc_sigprocmask(how, set, before);
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
