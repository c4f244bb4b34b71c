// System calls that may block, in native mode: entersyscall and exitsyscall (reference, section 15).
//
// The goroutine keeps its M and lets go of its P without giving it to anybody: status `syscall`. If
// the call is short the M takes the P back by one compare-and-swap. If it lasts, sysmon takes the P by
// the same swap and hands it to another M; so does whoever stops the world.
//
// Between the two the goroutine may not touch the runtime: it has no P. No call of libc's that takes
// locks, therefore; those go to the worker pool (sys/blocking.h).
//
// Order: the P's status is stored before gcwaiting is read, gcwaiting is stored before the status is
// looked at (stw.cc); all are sequentially consistent, so one of both sides sees the other.
#include "runtime/sched/syscall.h"

#include "asm/asm.h"
#include "runtime/gc/gc.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

namespace {

// The world is being stopped, and our P is not counted yet.
void entersyscall_gcwait(P* pp) {
  sched.lock.lock();
  PStatus expected = PStatus::syscall;
  if (sched.gcwaiting.load(std::memory_order_relaxed) &&
      pp->status.compare_exchange_strong(expected, PStatus::gcstop)) {
    pp->syscalltick.fetch_add(1, std::memory_order_relaxed);
    if (--sched.stopwait == 0) note_wakeup(&sched.stopnote);
  }
  sched.lock.unlock();
}

P* idle_p() {
  sched.lock.lock();
  P* pp = pidleget();
  if (pp != nullptr) wake_sysmon();
  sched.lock.unlock();
  return pp;
}

bool exitsyscallfast(P* oldp) {
  PStatus expected = PStatus::syscall;
  // Acquire: nobody took it, but sysmon may have looked.
  if (oldp->status.compare_exchange_strong(expected, PStatus::idle, std::memory_order_acq_rel)) {
    acquirep(oldp);
    oldp->syscalltick.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  P* pp = idle_p();
  if (pp == nullptr) return false;
  acquirep(pp);
  return true;
}

// No P is free: the goroutine waits in the global queue, its M on the idle list.
G* exitsyscall0(G* gp) {
  M* mp = getm();
  dropg(gp);
  casgstatus(gp, GStatus::syscall, GStatus::runnable);
  fiber_readied(gp);
  sched.lock.lock();
  P* const pp = idle_p_or_queue(gp);
  sched.lock.unlock();
  if (pp != nullptr) {
    acquirep(pp);
    return execute(gp);
  }
  if (mp->locked_g == gp) {
    stoplockedm();
    return execute(gp);
  }
  stopm();
  return schedule_native({});
}

}  // namespace

bool can_enter_syscall() {
  const G* gp = getg();
  return !seam_active && gp != nullptr && gp == curg();
}

void entersyscall() {
  G* gp = getg();
  M* mp = gp->ctx.m;
  P* pp = mp->p;
  reprise_gosave(&gp->ctx.sched);  // for tracebacks
  casgstatus(gp, GStatus::running, GStatus::syscall);
  mp->oldp = pp;
  mp->p = nullptr;
  pp->m.store(nullptr, std::memory_order_relaxed);
  fiber_enters_syscall();
  pp->status.store(PStatus::syscall);
  if (sched.sysmonwait.load(std::memory_order_relaxed) != SysmonWait::nothing) [[unlikely]] {
    sched.lock.lock();
    wake_sysmon(SysmonWait::syscall);
    sched.lock.unlock();
  }
  if (sched.gcwaiting.load()) entersyscall_gcwait(pp);
}

void entersyscallblock() {
  P* pp = getp();
  entersyscall();
  PStatus expected = PStatus::syscall;
  // By the same swap as sysmon, which may have been faster, as may who stops the world.
  if (!pp->status.compare_exchange_strong(expected, PStatus::idle, std::memory_order_acq_rel)) return;
  pp->syscalltick.fetch_add(1, std::memory_order_relaxed);
  systemstack([](void* arg) { handoffp(static_cast<P*>(arg)); }, pp);
}

void exitsyscall() {
  G* gp = getg();
  M* mp = gp->ctx.m;
  P* oldp = mp->oldp;
  mp->oldp = nullptr;
  if (!exitsyscallfast(oldp)) return mcall(exitsyscall0);
  // Before the goroutine goes on: a worker may be looking at its stack, or have to (gc/stacks.cc).
  if (gc_stacks_grey.load(std::memory_order_relaxed)) [[unlikely]] gc_scan_own();
  casgstatus(gp, GStatus::syscall, GStatus::running);
}

}  // namespace reprise::rt
