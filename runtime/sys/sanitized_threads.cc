// Threads of the program under a sanitizer, where pthread_thread.cc is left out: counted, and joined without
// the P.
//
// The count is what keeps a program from being called dead while a thread of its own may still wake a
// goroutine. A goroutine that joins keeps its thread, in the sanitizer's function, as in a system call that
// blocks: what it waits for may need the P. The functions are the sanitizer's: clang's are in the executable
// under weak names that ours hide, and are found by their other names; GCC's are in a library behind us.
#ifdef REPRISE_SANITIZED

#include <pthread.h>

#include <new>

#include "runtime/poll/netpoll.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/syscall.h"
#include "runtime/sys/interpose.h"

using Join = int(pthread_t, void**);

extern "C" {
[[gnu::weak]] reprise::rt::PthreadCreate __interceptor_pthread_create;
[[gnu::weak]] Join __interceptor_pthread_join;
}

namespace reprise::rt {
namespace {

constinit std::atomic<uint32_t> running{0};

struct Start {
  void* (*function)(void*);
  void* arg;
};

// Also where pthread_exit unwinds the thread. Release with checkdead's acquire.
struct AtEnd {
  ~AtEnd() {
    if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) recheck_deadlock();
  }
};

void* thread_start(void* arg) {
  const AtEnd at_end;
  const Start start = *static_cast<const Start*>(arg);
  delete static_cast<const Start*>(arg);
  return start.function(start.arg);
}

bool on_g0() {
  const G* gp = getg();
  return gp != nullptr && gp->ctx.m != nullptr && gp->ctx.m->ctx.g0 == gp;
}

template <class F>
F* sanitizers(F* interceptor, const char* name) {
  return interceptor != nullptr ? interceptor : libc_function<F>(name);
}

}  // namespace

PthreadCreate* sanitizers_pthread_create() { return sanitizers(__interceptor_pthread_create, "pthread_create"); }

uint32_t program_threads() { return running.load(std::memory_order_acquire); }

// Relaxed: the child has one thread.
void program_threads_are_gone(bool but_one) { running.store(but_one ? 1 : 0, std::memory_order_relaxed); }

}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" int pthread_create(pthread_t* out, const pthread_attr_t* attr, void* (*function)(void*),
                              void* arg) noexcept {
  PthreadCreate* const create = sanitizers_pthread_create();
  if (on_g0()) return create(out, attr, function, arg);
  auto* const start = new (std::nothrow) Start{function, arg};
  if (start == nullptr) return EAGAIN;
  if (curg() != nullptr) netpollinit();  // it may ready goroutines, and then breaks the poller's wait
  running.fetch_add(1, std::memory_order_relaxed);
  const int error = create(out, attr, thread_start, start);
  if (error != 0) {
    running.fetch_sub(1, std::memory_order_relaxed);
    delete start;
  }
  return error;
}

extern "C" int pthread_join(pthread_t thread, void** value) {
  Join* const join = sanitizers(__interceptor_pthread_join, "pthread_join");
  if (seam_active || !on_goroutine()) return join(thread, value);
  entersyscallblock();
  const int error = join(thread, value);
  exitsyscall();
  return error;
}

#endif  // REPRISE_SANITIZED
