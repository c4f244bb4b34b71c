// Ps: which M has which, and how many there are.
//
// Invariants:
//  - A P is in one hand: owned by an M (`running`, M::p and P::m agree), in a system call's (`syscall`,
//    M::oldp), on the idle list (`idle`), being moved by one thread (`idle`, not on the list), halted
//    by whoever stops the world (`gcstop`), or beyond nprocs (`dead`).
//  - The idle list holds Ps with empty run queues only.
//  - nprocs changes while the world is stopped; P objects are never freed, so a stale index finds
//    a dead P, not freed memory.
//  - A timer heap stays with its P for good; the heap of a dead P is looked at by all (timers_orphan).
#include <cstdlib>
#include <new>

#include "runtime/gc/gc.h"
#include "runtime/mem/mcache.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

constinit std::atomic<P*> allp[kMaxProcs] = {&allp0};

namespace {

// Not by new: the program may count its allocations.
P* make_p(int32_t id) {
  void* const memory = std::aligned_alloc(alignof(P), sizeof(P));
  if (memory == nullptr) throw_("out of memory (P)");
  P* pp = new (memory) P;
  pp->id = id;
  gc_make_p(pp);
  happens_before(pp);  // what any goroutine does that runs with it (fibers.cc)
  // Release: whoever finds the P finds it built.
  allp[id].store(pp, std::memory_order_release);
  return pp;
}

// What a P beyond the new number leaves behind: goroutines to the global queue, free ones to the
// common lists. REQUIRES: sched.lock.
void destroy_p(P* pp) {
  while (G* gp = runqget(pp).gp) globrunqput(sched, gp);
  gfpurge(pp);
  if (pp->mcache != nullptr) pp->mcache->releaseAll();
  gc_give_work(pp);
  timers_orphan(pp);
  pp->m.store(nullptr, std::memory_order_relaxed);
  pp->status.store(PStatus::dead, std::memory_order_release);
}

}  // namespace

void acquirep(P* pp) {
  M* mp = getm();
  if (pp->status.load(std::memory_order_relaxed) != PStatus::idle || mp->p != nullptr) {
    throw_("acquirep: invalid state");
  }
  mp->p = pp;
  pp->m.store(mp, std::memory_order_relaxed);
  pp->status.store(PStatus::running, std::memory_order_release);
}

P* releasep() {
  M* mp = getm();
  P* pp = mp->p;
  if (pp == nullptr || pp->m.load(std::memory_order_relaxed) != mp ||
      pp->status.load(std::memory_order_relaxed) != PStatus::running) {
    throw_("releasep: invalid state");
  }
  mp->p = nullptr;
  pp->m.store(nullptr, std::memory_order_relaxed);
  pp->status.store(PStatus::idle, std::memory_order_release);
  return pp;
}

P* procresize(int32_t procs) {
  const int32_t old = sched.nprocs.load(std::memory_order_relaxed);
  for (int32_t i = 0; i < procs; ++i) {
    P* pp = allp[i].load(std::memory_order_relaxed);
    if (pp == nullptr) pp = make_p(i);
    if (pp->status.load(std::memory_order_relaxed) == PStatus::dead) {
      pp->status.store(PStatus::gcstop, std::memory_order_relaxed);
      timers_adopt(pp);
    }
  }
  M* mp = getm();
  P* mine = mp->p;
  if (mine != nullptr && mine->id >= procs) {
    mp->p = nullptr;
    mine->m.store(nullptr, std::memory_order_relaxed);
    mine = nullptr;
  }
  for (int32_t i = procs; i < old; ++i) destroy_p(allp[i].load(std::memory_order_relaxed));
  sched.nprocs.store(procs, std::memory_order_release);
  P* runnable = nullptr;
  for (int32_t i = procs - 1; i >= 0; --i) {
    P* pp = allp[i].load(std::memory_order_relaxed);
    if (pp == mine) {
      pp->status.store(PStatus::running, std::memory_order_relaxed);
      continue;
    }
    pp->status.store(PStatus::idle, std::memory_order_relaxed);
    if (i == 0 && mine == nullptr) {
      acquirep(pp);
    } else if (runqempty(pp)) {
      pidleput(pp);
    } else {
      pp->link = runnable;
      runnable = pp;
    }
  }
  return runnable;
}

}  // namespace reprise::rt
