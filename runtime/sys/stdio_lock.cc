// flockfile, ftrylockfile and funlockfile: who holds a FILE is not interrupted.
//
// The lock is libc's, which knows its holder by the thread and waits inside the kernel. If its holder were preempted, whoever prints to
// the same FILE next would wait there with the P that the holder needs to go on: at one P for ever. printf itself holds the
// lock only in libc's text, where nobody is interrupted. A goroutine that waits for something else with a FILE locked has the
// same trouble, and is not helped here: it is to unlock the FILE first.
#ifndef REPRISE_SANITIZED

#include <stdio.h>

#include "runtime/sys/interpose.h"

using namespace reprise::rt;

extern "C" {

int ftrylockfile(FILE* file) noexcept {
  static const auto libc_try = libc_function<int(FILE*)>("ftrylockfile");
  const int result = libc_try(file);
  if (result == 0 && on_goroutine()) ++curg()->no_preempt;
  return result;
}

void flockfile(FILE* file) noexcept {
  static const auto libc_lock = libc_function<void(FILE*)>("flockfile");
  if (!on_goroutine()) return libc_lock(file);
  attempt_until(nullptr, [file] { return ftrylockfile(file) == 0 ? 0 : EBUSY; });
}

void funlockfile(FILE* file) noexcept {
  static const auto libc_unlock = libc_function<void(FILE*)>("funlockfile");
  libc_unlock(file);
  if (on_goroutine()) --curg()->no_preempt;
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
