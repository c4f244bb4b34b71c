// fork() in native mode: the child has the calling thread only, and so one M and one P.
//
// The goroutine that called goes on, and so do those in its P's queue and in the global one, and those
// that wait. Goroutines that ran elsewhere do not exist for the child, as threads do not after a fork; nor do
// sleepers that another thread was putting to bed or waking; nor those that were queued at other Ps: the
// kernel copies memory page by page while those Ps go on, so their rings may be torn. A goroutine that is
// locked to a thread which the child does not have is unlocked.
//
// What a child needs before it can start or wait for anything is held across the call, so that it inherits
// it whole: the scheduler's lists, free goroutines and stacks, timers, the poller's making. Other locks, a
// channel's say, are as their holders left them, as ever after fork. The poller would be shared,
// registrations and all: events of the child's would come to the parent with addresses of the child's
// memory. So the child leaves it for one of its own.
//
// Inherited claims are dropped one by one below. Each was a bug once or would be one: threads that
// sysmon was to make started with Ps that the child does not have (acquirep: invalid state); a stopped world
// was never started again; a heap without a P, not known as an orphan, kept the poller spinning.
#include <pthread.h>

#include <utility>

#include "runtime/gc/gc.h"
#include "runtime/mem/mcache.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/signal/sigqueue.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {

namespace {

void lock_all() {
  gc_before_fork();
  sched.lock.lock();
  gfree_before_fork();
  stack_pool_before_fork();
  timers_before_fork();
  workers_before_fork();
  netpollinit_before_fork();
  pollcache_before_fork();
  gc_before_fork_last();
  mheap_before_fork();
}

void unlock_all(bool in_child) {
  mheap_after_fork(in_child);
  gc_after_fork_first(in_child);
  pollcache_after_fork();
  netpollinit_after_fork();
  workers_after_fork(in_child);
  timers_after_fork(in_child);
  stack_pool_after_fork();
  gfree_after_fork();
  sched.lock.unlock();
  gc_after_fork(in_child);
}

void before_fork() {
  if (!seam_active) lock_all();
}

void after_fork_in_parent() {
  if (!seam_active) unlock_all(false);
}

// REQUIRES: the locks.
void forget_p(P* pp) {
  pp->runqhead.store(pp->runqtail.load(std::memory_order_relaxed), std::memory_order_relaxed);
  pp->runnext.store(nullptr, std::memory_order_relaxed);
  pp->gfree = nullptr;
  pp->gfree_count = 0;
  if (pp->mcache != nullptr) pp->mcache->abandon();
  pp->m.store(nullptr, std::memory_order_relaxed);
  timers_orphan(pp);
  pp->status.store(PStatus::dead, std::memory_order_relaxed);
}

// A thread of the program's has no P: the child's waits on the idle list for the first goroutine that
// somebody readies.
P* first_p_idle() {
  P* pp = allp[0].load(std::memory_order_relaxed);
  pp->status.store(PStatus::idle, std::memory_order_relaxed);
  timers_adopt(pp);
  pidleput(pp);
  return pp;
}

// The one P is allp[0]: places change, not identities.
void make_first(P* pp) {
  P* const first = allp[0].load(std::memory_order_relaxed);
  allp[pp->id].store(first, std::memory_order_relaxed);
  allp[0].store(pp, std::memory_order_relaxed);
  std::swap(first->id, pp->id);
}

// REQUIRES: the locks. Returns the P that is left.
P* keep_one_p() {
  P* const mine = getp();
  for (int32_t i = 0; i < kMaxProcs; ++i) {
    P* pp = allp[i].load(std::memory_order_relaxed);
    if (pp == nullptr) break;
    if (pp != mine) forget_p(pp);
  }
  sched.pidle = nullptr;
  sched.wakeup.npidle.store(0, std::memory_order_relaxed);
  sched.nprocs.store(1, std::memory_order_relaxed);
  if (mine == nullptr) return first_p_idle();
  make_first(mine);
  return mine;
}

// A goroutine that another thread held when it was preempted (M::held) cannot go on without that thread.
// REQUIRES: the locks.
void drop_held(P* pp) {
  GQueue keep;
  const M* const mp = getm();
  const auto sift = [&](G* gp) {
    if (gp->locked_m == nullptr || gp->locked_m == mp || !gp->locked_m->held) keep.push(gp);
  };
  while (G* gp = runqget(pp).gp) sift(gp);
  while (G* gp = globrunqget(sched, pp, 1)) sift(gp);
  while (G* gp = keep.pop()) globrunqput(sched, gp);
  no_held_ms();
}

uint64_t queued(const P* pp) {
  uint64_t count = pp->runqtail.load(std::memory_order_relaxed) - pp->runqhead.load(std::memory_order_relaxed);
  if (pp->runnext.load(std::memory_order_relaxed) != nullptr) ++count;
  return count + sched.global_size.load(std::memory_order_relaxed);
}

// Goroutines that the child has: the one that called, those queued with it, those that wait.
void count_survivors(P* pp) {
  drop_held(pp);
  timers_forget_lost_sleepers();
  uint64_t alive = queued(pp) + (curg() != nullptr ? 1 : 0);
  const M* mp = getm();
  G* gp = sched.allgs.load(std::memory_order_relaxed);
  for (; gp != nullptr; gp = gp->alllink.load(std::memory_order_relaxed)) {
    if (gp->locked_m != nullptr && gp->locked_m != mp) {
      gp->locked_m = nullptr;
      gp->locked_count = 0;
    }
    if (!gp->system && gp->status.load(std::memory_order_relaxed) == GStatus::waiting) ++alive;
  }
  for (int32_t i = 0; i < kMaxProcs; ++i) {
    P* other = allp[i].load(std::memory_order_relaxed);
    if (other == nullptr) break;
    other->user_goroutines.births.store(0, std::memory_order_relaxed);
    other->user_goroutines.deaths.store(0, std::memory_order_relaxed);
  }
  sched.user_goroutines.births.store(alive, std::memory_order_relaxed);
  sched.user_goroutines.deaths.store(0, std::memory_order_relaxed);
}

void after_fork_in_child() {
  if (seam_active) return;
  count_survivors(keep_one_p());
  sched.midle = nullptr;
  sched.freem = nullptr;
  drop_pending_threads();  // they would start with the parent's Ps
  sched.nmidle = sched.nmidlelocked = 0;
  sched.mcount = getm() != nullptr ? 1 : 0;
  sched.gomaxprocs.store(1, std::memory_order_relaxed);
  sched.wakeup.nmspinning.store(0, std::memory_order_relaxed);
  sched.lastpoll.store(1, std::memory_order_relaxed);
  sched.pollUntil.store(0, std::memory_order_relaxed);
  sched.sysmonwait.store(SysmonWait::nothing, std::memory_order_relaxed);
  sched.sysmonnote.store(kNoteClear, std::memory_order_relaxed);
  stop_is_gone();
  sysmon_is_gone();
  signals_after_fork();
  program_threads_are_gone(getm() == nullptr);
  unlock_all(true);
  netpoll_leave_parents();
}

}  // namespace

void install_fork_handlers() { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

}  // namespace reprise::rt
