// Who goes on here, in line: what a park, a yield and an exit have in common where nothing unusual is to be seen. What is
// unusual is schedule_native()'s, which looks at all of it again.
//
// Thread safety: the M, on g0, with the P.
#pragma once

#include <utility>

#include "runtime/gc/gc.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/gstatus.h"
#include "runtime/sched/here.h"
#include "runtime/sched/native.h"
#include "runtime/time/timer_heap.h"

namespace reprise::rt {

// Slices after which a P looks beyond its ring.
inline constexpr uint32_t kFairEvery = 61;

inline bool turn_is_due(const P* pp) { return pp->schedtick.load(std::memory_order_relaxed) - pp->fair_tick >= kFairEvery; }

// Whoever runs next has a slice of its own. The bits go with the request, or every point and every allocation on every P would take
// its slow path until sysmon's next pass.
void slice_was_asked_for(P* pp);

// execute().
[[gnu::always_inline]] inline G* execute_here(M* mp, G* gp, bool inherit_time) {
  if (gc_stacks_grey.load(std::memory_order_relaxed)) [[unlikely]] gc_scan_before_run(gp);
  mp->ctx.curg = gp;
  gp->ctx.m = mp;
  gp->wait_reason = WaitReason::none;
  change_status<GStatus::runnable, GStatus::running>(gp);
  if (!inherit_time) {
    P* pp = mp->p;
    // The owner's alone to write; sysmon compares.
    pp->schedtick.store(pp->schedtick.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (pp->preempt.load(std::memory_order_relaxed)) [[unlikely]] slice_was_asked_for(pp);
  }
  load_thread_state(gp);
  fiber_leaves_g0(gp);
  return gp;
}

// Relaxed: changes while the world is stopped.
inline bool one_p() { return sched.nprocs.load(std::memory_order_relaxed) == 1; }

// An M that has a P and nothing else to heed.
inline bool nothing_to_heed(const M* mp) {
  return !mp->exiting && !mp->spinning && mp->locked_g == nullptr && mp->next_g == nullptr &&
         !sched.dying.load(std::memory_order_relaxed) && !sched.gcwaiting.load(std::memory_order_relaxed);
}

// Nothing that comes before this P's own queue.
inline bool queue_is_next(P* pp) { return no_timer_of(pp) && !gc_may_need_worker() && !turn_is_due(pp); }

// reprise_schedule().
[[gnu::always_inline]] inline G* schedule_here() {
  if (seam_active) [[unlikely]] return schedule_controlled();
  M* mp = m_of_runtime();
  if (!nothing_to_heed(mp) || !queue_is_next(mp->p)) [[unlikely]] return schedule_native({});
  const auto got = runqget(mp->p, one_p());
  if (got.gp == nullptr || got.gp->locked_m != nullptr) [[unlikely]] return schedule_native({got.gp, got.inherit_time});
  return execute_here(mp, got.gp, got.inherit_time);
}

// ready_put() without a policy.
[[gnu::always_inline]] inline void ready_put_native(G* gp) {
  fiber_readied(gp);
  P* const pp = p_here();
  if (pp == nullptr) [[unlikely]] {
    globrunqput(gp);
    return wakep();
  }
  const bool alone = one_p();
  const bool published = runqput(sched, pp, gp, true, alone);
  if (alone) return;  // no P is idle: this thread has the one there is
  if (!published) return wakep();
  // wakep_published()'s own first look.
  if (sched.wakeup.npidle.load(std::memory_order_seq_cst) != 0) wakep_published();
}

}  // namespace reprise::rt
