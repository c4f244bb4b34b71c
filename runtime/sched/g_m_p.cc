// G, M and P: who runs here, the transitions of a G's status, the texts of wait reasons.
#include "runtime/sched/g_m_p.h"

#include <cstdio>

#include "asm/asm.h"
#include "runtime/sched/gstatus.h"
#include "runtime/sched/here.h"
#include "runtime/sched/sched.h"

extern "C" {
constinit reprise::rt::G reprise_g0;
constinit reprise::rt::M reprise_m0;
}

namespace reprise::rt {

constinit Sched sched;
constinit P allp0;

// Not inlined: callers are many, and most are not hot (here.h).
[[gnu::noinline]] G* getg() { return g_here(); }

[[gnu::noinline]] M* getm() { return m_here(); }

[[gnu::noinline]] G* curg() {
  M* mp = m_here();
  return mp == nullptr ? nullptr : mp->ctx.curg;
}

[[gnu::noinline]] P* getp() {
  M* mp = m_here();
  return mp == nullptr ? nullptr : mp->p;
}

[[gnu::cold]] void bad_transition(const G* gp, GStatus from, GStatus to, GStatus found) {
  char text[128];
  std::snprintf(text, sizeof text, "casgstatus: goroutine %llu: expected status %u -> %u, found %u",
                static_cast<unsigned long long>(gp->goid), static_cast<unsigned>(from),
                static_cast<unsigned>(to), static_cast<unsigned>(found));
  throw_(text);
}

void casgstatus(G* gp, GStatus from, GStatus to) {
  GStatus found = from;
  if (from == GStatus::waiting) {
    if (!may_become(from, to) ||
        !gp->status.compare_exchange_strong(found, to, std::memory_order_acq_rel)) {
      bad_transition(gp, from, to, found);
    }
    return;
  }
  found = gp->status.load(std::memory_order_relaxed);
  if (found != from || !may_become(from, to)) bad_transition(gp, from, to, found);
  gp->status.store(to, std::memory_order_release);
}

const char* wait_reason_text(WaitReason reason) {
  switch (reason) {
    case WaitReason::none: return "";
    case WaitReason::chan_receive: return "chan receive";
    case WaitReason::chan_send: return "chan send";
    case WaitReason::chan_receive_nil: return "chan receive (nil chan)";
    case WaitReason::chan_send_nil: return "chan send (nil chan)";
    case WaitReason::select: return "select";
    case WaitReason::select_no_cases: return "select (no cases)";
    case WaitReason::sleep: return "sleep";
    case WaitReason::semacquire: return "semacquire";
    case WaitReason::sync_mutex_lock: return "sync.Mutex.Lock";
    case WaitReason::sync_rwmutex_rlock: return "sync.RWMutex.RLock";
    case WaitReason::sync_rwmutex_lock: return "sync.RWMutex.Lock";
    case WaitReason::sync_cond_wait: return "sync.Cond.Wait";
    case WaitReason::sync_wait_group_wait: return "sync.WaitGroup.Wait";
    case WaitReason::io_wait: return "IO wait";
    case WaitReason::syscall: return "syscall";
    case WaitReason::timer: return "timer goroutine (idle)";
    case WaitReason::locked_thread: return "locked to thread";
    case WaitReason::pthread_lock: return "pthread lock";
    case WaitReason::pthread_cond: return "pthread condition";
    case WaitReason::pthread_join: return "pthread join";
    case WaitReason::atomic_wait: return "atomic wait";
    case WaitReason::preempted: return "preempted";
    case WaitReason::finished: return "finished";
  }
  return "?";
}

}  // namespace reprise::rt
