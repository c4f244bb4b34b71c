// An action of the runtime's own for a signal, as sigaction(2).
//
// Under a sanitizer it goes past the sanitizer's interceptor. ThreadSanitizer's puts a handler off until the
// thread that it came to makes a call that is intercepted; Ms sleep in calls of the kernel that it does not
// see, so a signal that came while all of them slept was never told. REQUIRES: what such a handler runs is
// compiled without that sanitizer (CMakeLists.txt), for it may have interrupted it; or it ends the process.
//
// Thread safety: any thread.
#pragma once

#include <signal.h>

namespace reprise::rt::sys {

int own_sigaction(int signal, const struct sigaction* action, struct sigaction* before);

}  // namespace reprise::rt::sys
