// dl_iterate_phdr: the dynamic linker calls back with a lock of its own held, which waits in the kernel. A goroutine
// that was preempted in there would hold it while others, who wait for it, hold every P. So nobody is
// preempted in there, at an instruction or at a scheduling point.
//
// A callback that waits for another goroutine is the program's own deadlock, as with threads.
#ifndef REPRISE_SANITIZED

#include <link.h>

#include <atomic>

#include "runtime/sched/counted.h"
#include "runtime/sys/interpose.h"

extern "C" int dl_iterate_phdr(int (*callback)(dl_phdr_info*, size_t, void*), void* data) {
  using namespace reprise;
  // Not a guarded static: it is called before there are goroutines, and by whoever unwinds. Relaxed: all find the same.
  static constinit std::atomic<decltype(&dl_iterate_phdr)> libcs{nullptr};
  auto* found = libcs.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = rt::libc_function<decltype(dl_iterate_phdr)>("dl_iterate_phdr");
    libcs.store(found, std::memory_order_relaxed);
  }
  const rt::LibcCallback held;
  return found(callback, data);
}

#endif
