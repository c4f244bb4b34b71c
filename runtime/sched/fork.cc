// fork() in native mode: the child has the calling thread only, and so one M and one P.
//
// The goroutine that called goes on; those in its P's queue run when it waits. Goroutines that ran, or
// were queued, elsewhere do not exist for the child, as threads do not after a fork. The scheduler's lock
// is held across the call, so that what the child inherits is whole; other locks are as
// their holders left them, as ever after fork.
#include <pthread.h>

#include <utility>

#include "runtime/sched/native.h"
#include "runtime/signal/sigqueue.h"

namespace reprise::rt {

namespace {

void before_fork() {
  if (!seam_active) sched.lock.lock();
}

void after_fork_in_parent() {
  if (!seam_active) sched.lock.unlock();
}

// REQUIRES: sched.lock.
void keep_one_p() {
  P* const mine = getp();
  const int32_t procs = sched.nprocs.load(std::memory_order_relaxed);
  for (int32_t i = 0; i < procs; ++i) {
    P* pp = allp[i].load(std::memory_order_relaxed);
    if (pp == mine) continue;
    pp->runqhead.store(pp->runqtail.load(std::memory_order_relaxed), std::memory_order_relaxed);
    pp->runnext.store(nullptr, std::memory_order_relaxed);
    pp->status.store(PStatus::dead, std::memory_order_relaxed);
  }
  if (mine == nullptr) return;
  // The one P is allp[0]: places change, not identities.
  P* const first = allp[0].load(std::memory_order_relaxed);
  allp[mine->id].store(first, std::memory_order_relaxed);
  allp[0].store(mine, std::memory_order_relaxed);
  std::swap(first->id, mine->id);
  sched.nprocs.store(1, std::memory_order_relaxed);
}

void after_fork_in_child() {
  if (seam_active) return;
  keep_one_p();
  M* mp = getm();
  sched.pidle = nullptr;
  sched.midle = nullptr;
  sched.freem = nullptr;
  drop_pending_threads();  // they would start with the parent's Ps
  sched.nmidle = sched.nmidlelocked = 0;
  sched.mcount = mp != nullptr ? 1 : 0;
  sched.wakeup.npidle.store(0, std::memory_order_relaxed);
  sched.wakeup.nmspinning.store(0, std::memory_order_relaxed);
  sched.lastpoll.store(1, std::memory_order_relaxed);
  sched.pollUntil.store(0, std::memory_order_relaxed);
  sched.gcwaiting.store(false, std::memory_order_relaxed);
  sched.sysmonwait.store(false, std::memory_order_relaxed);
  sched.sysmonnote.store(kNoteClear, std::memory_order_relaxed);
  sysmon_is_gone();
  signals_after_fork();
  sched.lock.unlock();
}

}  // namespace

void install_fork_handlers() { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

}  // namespace reprise::rt
