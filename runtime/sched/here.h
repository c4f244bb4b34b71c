// Who runs here, in line: for the few paths where getg()'s call shows in measurements.
//
// The address of the thread-local is formed anew by each of these, so that none outlives a switch. Inside the runtime's text nobody is
// switched out between two of them unless something parks.
//
// Thread safety: the calling thread.
#pragma once

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

inline G* g_here() {
  G* gp;
  asm volatile("movq reprise_tls_g@GOTTPOFF(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(gp));
  return gp;
}

// Null on a thread that the runtime does not know. Plain reads of what is this thread's own, which ThreadSanitizer takes for
// another's.
__attribute__((no_sanitize("thread"))) inline M* m_here() {
  G* const gp = g_here();
  return gp != nullptr ? gp->ctx.m : nullptr;
}

// REQUIRES: a thread of the runtime's, as on g0 with the P.
__attribute__((no_sanitize("thread"))) inline M* m_of_runtime() { return g_here()->ctx.m; }

// Null where there is none.
inline P* p_here() {
  G* const gp = g_here();
  return gp != nullptr ? gp->ctx.m->p : nullptr;
}

// The goroutine, null on g0 and on foreign threads.
inline G* goroutine_here() {
  G* const gp = g_here();
  return gp != nullptr && gp == gp->ctx.m->ctx.curg ? gp : nullptr;
}

}  // namespace reprise::rt
