// needm: an M for a thread that the runtime does not know, and a goroutine locked to it for each callback.
//
// The M is the thread's from its first callback to its end (a destructor of the thread's gives it back), so that coming
// again costs no system call. Between callbacks the thread is foreign as before: its g is null and the M is not counted
// among those that could run goroutines. In a callback the M is like that of any locked goroutine, which
// waits for a P, parks and ends as others do; that end, which would end a thread of the runtime's, leads back here
// (mexit returns from reprise_mstart).
#include <pthread.h>

#include <cerrno>

#include "asm/asm.h"
#include "runtime/cgo/cgo.h"
#include "runtime/sched/m.h"
#include "runtime/sched/native.h"

namespace reprise::rt {

namespace {

std::atomic<size_t> in_use{0};  // statistics: relaxed

// What the thread brought along and the goroutine's switches overwrite.
struct ThreadState {
  int error = errno;
  EhGlobals eh;
};

struct ForeignM {
  M* mp = nullptr;
  G* next = nullptr;  // to be run by mstart

  ~ForeignM() {
    if (mp == nullptr) return;
    reprise_tls_g = mp->ctx.g0;
    munit(mp);
    reprise_tls_g = nullptr;
    mrelease(mp);
    in_use.fetch_sub(1, std::memory_order_relaxed);
  }
};

// Not inlined: the thread's part is found anew after every switch.
[[gnu::noinline]] ForeignM& of_this_thread() {
  static thread_local ForeignM foreign;
  asm volatile("");
  return foreign;
}

void needm(ForeignM& foreign) {
  foreign.mp = allocm();
  reprise_tls_g = foreign.mp->ctx.g0;
  minit(foreign.mp);
  in_use.fetch_add(1, std::memory_order_relaxed);
}

// On g0, which is the thread's stack from here down. The P: an idle one, or that of whoever finds the goroutine.
G* mstart_foreign() {
  G* const gp = of_this_thread().next;
  sched.lock.lock();
  ++sched.mcount;
  P* const pp = idle_p_or_queue(gp);
  sched.lock.unlock();
  if (pp != nullptr) {
    acquirep(pp);
  } else {
    stoplockedm();
  }
  return execute(gp);
}

}  // namespace

size_t foreign_ms_for_test() { return in_use.load(std::memory_order_relaxed); }

void run_on_foreign_thread(void (*fn)(void*), void* arg) {
  ForeignM& foreign = of_this_thread();
  if (foreign.mp == nullptr) needm(foreign);
  M* const mp = foreign.mp;
  ThreadState before;
  before.eh = *mp->eh_location;
  reprise_tls_g = nullptr;
  foreign.next = newproc_on_thread(fn, arg, mp);
  reprise_tls_g = mp->ctx.g0;
  mp->exiting = false;
  const auto here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  mp->ctx.g0->ctx.stack_hi = here;
  mp->ctx.g0->ctx.stack_lo = here - (64 << 10);
  reprise_mstart(mstart_foreign);
  reprise_tls_g = nullptr;
  *mp->eh_location = before.eh;
  errno = before.error;
}

}  // namespace reprise::rt
