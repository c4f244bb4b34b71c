// Many schedules of one body in one process.
//
// Invariant: between two schedules the explorer is the only goroutine alive, and every counter that a
// name, an id or a step comes from has the value that it had before the first.
#include "runtime/sched/schedules.h"

#include "runtime/gc/gc.h"
#include "runtime/boot/boot.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/counted.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"
#include "runtime/sched/stuck.h"
#include "runtime/seam/fault_set.h"
#include "runtime/sim/sim.h"
#include "runtime/time/clock.h"

namespace reprise::rt {

ScheduleHooks schedule_hooks;

namespace {

// A ticker that nobody listens to fires for ever. This many jumps of the clock in a row that make nobody
// ready end the schedule.
constexpr uint64_t kIdleJumps = 1000;
// What the body's goroutine is named after.
constexpr seam::ObjectId kBody{0x5265707269736521, 0};

struct Explorer {
  G* waiting = nullptr;     // the explorer's goroutine while a schedule runs
  bool own_policy = false;  // installed by schedules_open()
  uint64_t goidgen = 0;     // the counters as they were at schedules_open()
  uint64_t objects = 0;
  uint64_t spawns = 0;
  uint64_t idle_step = 0;   // the step since which the clock has only jumped
  uint64_t idle_jumps = 0;
};
constinit Explorer explorer;

void start_afresh() {
  gc_begin_schedule();
  stuck_begin_schedule();
  clock_use(ClockKind::simulated);
  if (sim::world_open) sim::start_afresh();
  sched.goidgen.store(explorer.goidgen, std::memory_order_relaxed);
  reprise_g0.objects = explorer.objects;
  reprise_g0.spawns = explorer.spawns;
  sched.rounds = 0;
  explorer.idle_jumps = 0;
}

bool commit_wait(G* gp, void*) {
  explorer.waiting = gp;
  return true;
}

}  // namespace

void schedules_open(seam::Policy* policy, const ScheduleHooks& hooks) {
  if (policy != nullptr) seam_set_policy_for_test(policy);
  explorer.own_policy = policy != nullptr;
  schedule_hooks = hooks;
  explorer.goidgen = sched.goidgen.load(std::memory_order_relaxed);
  explorer.objects = reprise_g0.objects;
  explorer.spawns = reprise_g0.spawns;
  clock_use(ClockKind::simulated);
  counted_explore();
}

void schedules_close() {
  counted_explore_end();
  schedule_hooks = {};
  clock_use(ClockKind::real);
  if (explorer.own_policy) seam_set_policy_for_test(nullptr);
}

ScheduleEnd run_schedule(void (*fn)(void*), void* arg, uint64_t max_steps) {
  start_afresh();
  seam_begin_schedule(max_steps);
  counted_begin_schedule();
  newproc(fn, arg, nullptr, {.maker = &kBody});
  gopark(commit_wait, nullptr, WaitReason::none);
  return {seam_step(), num_goroutine() - 1, timers_pending()};
}

bool ends_when_stuck() {
  if (schedule_hooks.dying != nullptr) return true;
  const stage::Table* const table = stage_table();
  return seam_active && table != nullptr && (table->control->options & seam::kEndsStuck) != 0;
}

void die_of_deadlock() {
  schedule_hooks = {};
  systemstack([](void*) { deadlock(); }, nullptr);
  __builtin_trap();  // an instruction, or the return address would lie in the next function
}

bool schedule_runs() { return explorer.waiting != nullptr; }

bool schedule_ended() {
  G* gp = explorer.waiting;
  if (gp == nullptr) return false;
  explorer.waiting = nullptr;
  seam_end_schedule();
  goready(gp);
  return true;
}

bool schedule_idles() {
  if (explorer.waiting == nullptr) return false;
  if (explorer.idle_step != seam_step()) explorer.idle_jumps = 0;
  explorer.idle_step = seam_step();
  return ++explorer.idle_jumps > kIdleJumps && schedule_ended();
}

}  // namespace reprise::rt
