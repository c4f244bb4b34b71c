// The seam's runtime side: the ready set, the ticks, and the questions put to the policy.
//
// With a policy (seam_active) the ready set is kept by goroutine id and by age (ready_set.h), and every
// choice goes to the policy. Without one (native mode) the run queues of the Ps take its place, and
// nothing here is called but for the branch in ready_put.
//
// Where decisions fall: `run` in ready_take(), on g0, when more than one goroutine is ready;
// `preempt` at a scheduling point at which another goroutine is ready and no ticks are left; the other
// kinds in seam_choose() and seam_draw(), called by the part of the runtime that offers the choice.
//
// Thread safety: called by the thread that holds the P (and so the baton).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/site.h"
#include "runtime/seam/policy.h"

namespace reprise::rt {

// Makes the policy of a controlled run, if this is one. g0, in schedinit.
void seam_install();
// Tells the policy how the run ended. Once; later calls do nothing. Any stack.
void seam_finish(const seam::Outcome& outcome);

// Adds a runnable goroutine to the ready set, or, in native mode, to this P's queue as the next to
// run, and sees that it does not wait for this M where others are idle. Any thread.
void ready_put(G* gp);
// The same for the running goroutine that gives way: behind those that are ready here.
void ready_put_last(G* gp);
// Takes out the goroutine that goes next, null if none is ready. With a policy only; g0.
G* ready_take();
size_t ready_size();  // with a policy only

// The policy's draw of a slice for counted code (counted.h), from whatever stack.
uint64_t seam_draw_slice();

// Events that are no scheduling points.
void seam_note_spawn(G* gp);
void seam_note_exit(G* gp);
void seam_note_block(G* gp);
void seam_note_wake(G* gp);

// The goroutine that runs counted code was preempted (exact.h). Gives way; on its stack.
void seam_preempted();
// When to preempt counted code next: 64 random bits of the policy's, or Policy::kUnbounded. Not logged:
// what comes of it is. With a policy only; any stack, outside the runtime.
uint64_t seam_draw_interrupt();

// The place from which the function that says so was called, for a policy that wants events; else 0, since
// finding it is a twentieth of what a scheduling point costs.
#define REPRISE_SEAM_SITE() \
  (::reprise::rt::seam_wants_events() ? REPRISE_PROGRAM_SITE() : ::reprise::seam::Site{0})
bool seam_wants_events();

// Steps of the run so far: scheduling points, run decisions, and goroutines that became ready.
uint64_t seam_step();

// Starts a schedule of an exploration (schedules.h): steps and ticks as at boot; more than `max_steps`
// steps are reported to the explorer.
void seam_begin_schedule(uint64_t max_steps);
// What follows is the explorer's own doing: no limit.
void seam_end_schedule();

// Installs a policy of the test's, or takes it away: stops the world, then one P runs on m0. REQUIRES:
// a goroutine; nothing is ready but the caller, nobody waits for the poller.
void seam_set_policy_for_test(seam::Policy* policy);

}  // namespace reprise::rt
