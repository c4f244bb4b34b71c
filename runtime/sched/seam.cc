// The seam's runtime side: asks the policy where there is a choice, and tells it what happened.
//
// Invariants:
//  - The policy is called on g0, or before any goroutine runs; never reentered.
//  - A question is asked only when there is more than one answer. Ticks are spent at scheduling points
//    with competition only, by whoever comes to one, and drawn at the first such point after they ran
//    out: what a goroutine leaves of its slice when it blocks goes to the next one. A draw for every
//    slice was half of all decisions, and most of them were never used up.
//  - A scheduling point counts as a step whether or not anything is decided there, so step numbers
//    do not depend on the policy's answers being asked for.
//
// A goroutine that runs alone through kPointsPerRound points gives way once to timers and the
// poller: they could make others ready, and without a round nobody would notice.
#include "runtime/sched/seam.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/gc/gc.h"
#include "runtime/race/race.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/goroutine_list.h"
#include "runtime/sched/here.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/next.h"
#include "runtime/sched/quick_points.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/schedules.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/default_choice.h"
#include "runtime/seam/fault_set.h"
#include "runtime/seam/names.h"
#include "runtime/seam/not_here.h"
#include "runtime/seam/policy_memory.h"
#include "runtime/sched/ready_set.h"
#include "runtime/sched/stuck.h"
#include "runtime/signal/sigqueue.h"
#include "runtime/sys/interpose.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/trap.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"

namespace reprise::rt {

bool seam_active = false;
const RaceHooks* race_hooks = nullptr;
constinit QuickPoints quick_points;

namespace {

constexpr uint64_t kPointsPerRound = 1024;
constexpr size_t kMaxAccesses = sizeof(G::accesses) / sizeof(seam::Access);

struct Counts {
  uint64_t ticks = 0;              // left to the next preemption; 0: to be drawn
  uint64_t step = 0;
  uint64_t max_steps = UINT64_MAX;
  uint64_t points_alone = 0;
};

struct SeamState {
  seam::Policy* policy = nullptr;  // owned; never destroyed, the process ends with the run
  bool wants_events = false;
  bool finished = false;
  Counts counts_without_quick;     // by counts() alone
  ReadySet ready;                  // changed only after counts()
  tape::Forks* forks = nullptr;    // in a run of a fork server
};
constinit SeamState state;

bool ticks_run() { return state.counts_without_quick.ticks != seam::Policy::kUnbounded; }

// What quick points were passed is counted. The last one is announced, unless something else is about to be.
void take_quick_points_back(bool announced) {
  QuickPoints& quick = quick_points;
  auto* const gp = reinterpret_cast<G*>(quick.who.load(std::memory_order_relaxed));
  quick.who.store(QuickPoints::kNobody, std::memory_order_relaxed);
  const uint64_t passed = quick.given - std::exchange(quick.left, 0);
  quick.given = 0;
  if (passed == 0) return;
  Counts& counts = state.counts_without_quick;
  counts.step += passed;
  if (state.ready.empty()) {
    counts.points_alone += passed;
  } else if (ticks_run()) {
    counts.ticks -= passed;
  }
  if (!announced) return;
  const bool write = (quick.address & QuickPoints::kWrite) != 0;
  gp->op = write ? seam::OpKind::memory_write : seam::OpKind::memory_read;
  gp->access_count = 1;
  gp->accesses[0].write = write;
  race_hooks->name_access(gp, quick.address & ~QuickPoints::kWrite, quick.pc, &gp->accesses[0].object, &gp->op_site);
}

// The counts, true.
Counts& counts() {
  if (__builtin_expect(quick_points.who.load(std::memory_order_relaxed) != QuickPoints::kNobody, 0)) take_quick_points_back(true);
  return state.counts_without_quick;
}

// How many points nothing can happen at.
uint64_t points_of_no_consequence() {
  const Counts& now = counts();
  const uint64_t steps = now.max_steps - std::min(now.max_steps, now.step);
  if (state.ready.empty()) return std::min(steps, kPointsPerRound - 1 - now.points_alone);
  if (now.ticks == seam::kNotHere) return 0;
  return ticks_run() ? std::min(steps, now.ticks - 1) : steps;
}

seam::Decision decision_of(seam::DecisionKind kind, const seam::Candidates& candidates) {
  const uint64_t step = counts().step;
  G* gp = curg();
  return {kind, gp != nullptr ? gp->name : seam::GoId{}, step, gp != nullptr ? gp->op_site : 0, candidates};
}

// Runs f on g0 and returns what it returns. A thread of the program's own has no g0: f runs where it
// is, and the wiring still keeps the policy on a stack apart.
template <class F>
auto on_g0(F f) {
  using Result = decltype(f());
  if (getg() == nullptr) return f();
  struct Call {
    F* f;
    Result result;
  } call{&f, {}};
  systemstack([](void* arg) {
    auto* c = static_cast<Call*>(arg);
    c->result = (*c->f)();
  }, &call);
  return call.result;
}

// An index, or Policy::kDefault.
size_t ask_choice(const seam::Decision& decision) {
  const size_t choice = state.policy->choose(decision);
  if (choice != seam::Policy::kDefault && choice >= decision.candidates.size()) {
    char text[160];
    std::snprintf(text, sizeof text, "policy chose %zu of %zu candidates at step %llu (%s)", choice,
                  decision.candidates.size(), static_cast<unsigned long long>(decision.step),
                  name_of(decision.kind));
    throw_(text);
  }
  return choice;
}

void tell(const seam::Event& event) {
  on_g0([&event] {
    state.policy->executed(event);
    return 0;
  });
}

// A step of a goroutine, or the scheduler's in choosing one.
void count_step() {
  Counts& now = counts();
  if (__builtin_expect(++now.step <= now.max_steps, 1)) return;
  now.max_steps = UINT64_MAX;
  if (schedule_hooks.too_long != nullptr) schedule_hooks.too_long();
}

// False: the slice is over.
bool spend_tick() {
  uint64_t& ticks = counts().ticks;
  if (ticks == 0) ticks = seam_draw_slice();
  if (ticks == seam::Policy::kUnbounded || ticks == seam::kNotHere) return true;
  return --ticks != 0;
}

void announce(G* gp, seam::OpKind op, std::span<const seam::Access> accesses, seam::Site site) {
  gp->op = op;
  gp->op_site = site;
  gp->access_count = static_cast<uint32_t>(std::min(accesses.size(), kMaxAccesses));
  if (gp->access_count == 1) {  // nearly always, and no reason to call memmove
    gp->accesses[0] = accesses[0];
  } else {
    std::copy_n(accesses.begin(), gp->access_count, gp->accesses);
  }
}

void activate(seam::Policy* policy) {
  state.policy = policy;
  state.wants_events = policy->wants_events();
  seam_active = true;
  seam_attention.fetch_or(kAttendPolicy, std::memory_order_relaxed);
}

// The M in the poller, if there is one, leaves it; none enters it while a policy is installed
// (findrunnable.cc).
void clear_poller() {
  while (sched.lastpoll.load() == 0) {
    netpoll_break();
    sys::call(SYS_sched_yield);
  }
}

// Without the name, which follows from the parent's and from how many children came before: 16 bytes
// that no compressor can shrink, for every spawn.
void note_goroutine(const stage::Table& table, const G* gp) {
  const struct {
    uint64_t parent;
    seam::Site site;
  } record{gp->parent_goid, gp->spawn_site};
  table.note_bytes(tape::kGoroutine, 0, static_cast<int64_t>(gp->goid), &record, sizeof record);
}

// A table of an older stage ends before it.
bool has_fork_point(const stage::Table& table) {
  return table.bytes >= offsetof(stage::Table, forks) + sizeof table.forks;
}

void too_long() { stage_table()->fail(tape::Verdict::stuck, "livelock: the run has more steps than it may have"); }

void begin_run(const stage::Table& table, seam::Policy& policy) {
  const uint64_t seed = table.control->seed;
  if (has_fork_point(table)) state.forks = table.forks;
  tape::Forks* forks = state.forks;
  if (forks == nullptr) {
    if (!policy.begin_run({seed, 0})) boot_usage_error("policy: nothing to run");
    return;
  }
  if (!policy.begin_run({seed, forks->run, forks->longest})) {
    forks->over = 1;
    _exit(0);
  }
  if (forks->max_steps != 0) counts().max_steps = forks->max_steps;
  schedule_hooks.too_long = too_long;
}

bool something_left() {
  return !state.ready.empty() || timers_pending() || netpoll_waiting() || program_threads() != 0 || signals_wanted();
}

template <class Goroutines>
void list_reasons(const char* before, const Goroutines& goroutines, std::span<char> to) {
  size_t used = 0;
  for (const G* gp : goroutines) {
    if (used >= to.size()) return;
    const int n = std::snprintf(to.data() + used, to.size() - used, "%s%s", before, wait_reason_text(gp->wait_reason));
    used += static_cast<size_t>(n);
    before = ", ";
  }
}

// Where main has returned, and nothing is left that could wake anybody, whoever waits would wait for ever. If
// something is left (a goroutine that can run, a timer, a descriptor), that is known only after a look at what it reaches
// (stuck.h). A replay looks where the run did, for a look makes system calls.
void describe_leak(std::span<char> to) {
  const seam::PolicyMemory memory;
  const G* const leaving = curg();
  if (something_left()) {
    if (leaving == nullptr || (stage_table()->control->options & seam::kSeesAllLeaks) == 0) return;
    return list_reasons("leak: goroutines can never run again when main returns: ", stuck_now(leaving), to);
  }
  if (state.forks == nullptr) return;
  std::vector<const G*> waiting;
  for (const G* gp = sched.allgs.load(); gp != nullptr; gp = gp->alllink.load()) {
    if (!gp->system && gp != leaving && gp->status.load() == GStatus::waiting) waiting.push_back(gp);
  }
  list_reasons("leak: goroutines wait for ever when main returns: ", waiting, to);
}

// For the parent of a fork server. `leak`: what describe_leak() says.
void report_outcome(tape::Forks& forks, const seam::Outcome& outcome, std::string_view leak) {
  forks.steps = counts().step;
  forks.longest = std::max(forks.longest, forks.steps);
  const std::string_view message = leak.empty() ? std::string_view(outcome.message) : leak;
  const size_t size = std::min(message.size(), sizeof forks.message - 1);
  std::memcpy(forks.message, message.data(), size);
  forks.message[size] = 0;
  forks.outcome = 1 + static_cast<uint32_t>(outcome.kind);
}

}  // namespace

// The world that `record --world simulated` and the like ask for.
static void open_simulated_world(uint32_t options) {
  if ((options & seam::kSimulatedWorld) == 0) return;
  clock_use(ClockKind::simulated);
  sim::open_world(seam::faults_of(options));
  sim::catch_calls();
}

void seam_install() {
  const stage::Table* table = stage_table();
  if (table == nullptr) return;
  std::string error;
  std::unique_ptr<seam::Policy> policy = seam::wire_policy(*table, &error);
  if (policy == nullptr) boot_usage_error(error);
  if (has_fork_point(*table)) table->fork_point();
  begin_run(*table, *policy);
  activate(policy.release());
  *table->runnable = state.ready.size_address();
  *table->goroutines = goroutine_list();
  open_simulated_world(table->control->options);
}

void seam_set_policy_for_test(seam::Policy* policy) {
  gc_quiesce();
  if (seam_active && !state.ready.empty()) throw_("seam_set_policy_for_test with goroutines ready");
  counts().ticks = 0;
  if (seam_active && policy != nullptr) return activate(policy);
  if (policy != nullptr) {
    stop_the_world();
    start_the_world(1);
    activate(policy);
    await_sysmon();
    preempt_requests_drop();  // or every allocation would look at one that nobody serves
    if (any_runq_work()) throw_("seam_set_policy_for_test with goroutines ready");
    clear_poller();
    return come_home();
  }
  if (!seam_active) return;
  seam_active = false;
  seam_attention.fetch_and(static_cast<uint8_t>(~kAttendPolicy), std::memory_order_relaxed);
  state.policy = nullptr;
  stop_the_world();
  start_the_world(sched.gomaxprocs.load(std::memory_order_relaxed));
  kick_sysmon();  // it sleeps a minute at a time while a policy rules, and a system call may last from now on
}

void seam_begin_schedule(uint64_t max_steps) {
  seam_take_quick_points_back();
  if (race_hooks != nullptr) race_hooks->begin_schedule();
  counts() = {.max_steps = max_steps};
  state.wants_events = state.policy->wants_events();
}

void seam_end_schedule() { counts().max_steps = UINT64_MAX; }

void seam_finish(const seam::Outcome& outcome) {
  if (!seam_active || std::exchange(state.finished, true)) return;
  char leak[sizeof tape::Forks::message] = "";
  on_g0([&outcome, &leak] {
    state.policy->end_run(outcome);
    if (outcome.kind == seam::Outcome::Kind::ok && stage_table() != nullptr) describe_leak(leak);
    return 0;
  });
  if (state.forks != nullptr) report_outcome(*state.forks, outcome, leak);
}

void ready_put(G* gp) {
  if (!seam_active) [[likely]] return ready_put_native(gp);
  fiber_readied(gp);
  state.ready.insert(gp, ++counts().step);
}

void ready_put_last(G* gp) {
  fiber_readied(gp);
  if (seam_active) return state.ready.insert(gp, ++counts().step);
  runqput(sched, p_here(), gp, false);
}

G* ready_take() {
  if (state.ready.empty()) return nullptr;
  size_t choice = seam::Policy::kDefault;
  if (state.ready.size() > 1) {
    choice = ask_choice({seam::DecisionKind::run, {}, counts().step, 0, state.ready.candidates()});
  }
  count_step();
  if (!ticks_run()) counts().ticks = 0;
  G* gp = choice == seam::Policy::kDefault ? state.ready.take_oldest() : state.ready.take_at(choice);
  // Whatever it announced it does now; if it parks, it comes back as a resumption.
  gp->op = seam::OpKind::resume;
  gp->access_count = 0;
  return gp;
}

uint64_t seam_draw_slice() {
  return on_g0([] { return state.policy->draw(decision_of(seam::DecisionKind::preempt, {})); });
}

bool seam_wants_events() { return state.wants_events; }

size_t ready_size() { return state.ready.size(); }

uint64_t seam_step() { return counts().step; }

// The step is counted and announced, and somebody else may have run when it returns.
static void pass_point(G* gp, seam::OpKind op, std::span<const seam::Access> accesses, seam::Site site) {
  if (quick_points.belong_to(gp)) take_quick_points_back(false);
  count_step();
  announce(gp, op, accesses, site);
  if (state.wants_events) {
    tell({seam::Event::Kind::step, gp->name, {}, counts().step, op, gp->op_site, accesses});
  }
  if (gp->no_preempt != 0) return;
  if (state.ready.empty()) {
    if (++counts().points_alone < kPointsPerRound) return;
    sched.poll_soon = true;
  } else if (spend_tick()) {
    return;
  }
  counts().points_alone = 0;
  gosched_announced();
}

// A thread of the program's own decides nothing.
static void thread_point(seam::OpKind op, std::span<const seam::Access> accesses) {
  if (race_hooks != nullptr) race_hooks->point(nullptr, op, accesses);
}

void seam_point_slow(seam::OpKind op, std::span<const seam::Access> accesses) {
  if (!seam_active) return preempt_point();
  G* gp = getg();
  if (gp == nullptr) return thread_point(op, accesses);
  if (gp != curg()) return;  // g0 decides nothing
  if (race_hooks != nullptr) race_hooks->point(gp, op, accesses);
  pass_point(gp, op, accesses, REPRISE_SEAM_SITE());
}

void seam_memory_point(seam::OpKind op, const seam::Access& access, seam::Site site) {
  pass_point(getg(), op, {&access, 1}, site);
}

void seam_give_quick_points(G* gp) {
  if (state.wants_events || gp->no_preempt != 0) return;
  quick_points.given = quick_points.left = points_of_no_consequence();
  quick_points.who.store(reinterpret_cast<uint64_t>(gp), std::memory_order_relaxed);
}

void seam_take_quick_points_back() { counts(); }

// With nobody ready there is a timer or the poller to be looked at, or the stage would not have preempted.
void seam_preempted() {
  G* gp = getg();
  ++counts().step;
  announce(gp, seam::OpKind::resume, {}, 0);
  if (state.wants_events) {
    tell({seam::Event::Kind::step, gp->name, {}, counts().step, seam::OpKind::resume, 0, {}});
  }
  if (state.ready.empty()) sched.poll_soon = true;
  gosched_preempted();
}

uint64_t seam_draw_interrupt() {
  return state.policy->draw(decision_of(seam::DecisionKind::interrupt, {}));
}

size_t seam_ask(seam::DecisionKind kind, const seam::Candidates& candidates) {
  return on_g0([&] { return ask_choice(decision_of(kind, candidates)); });
}

size_t seam_choose(seam::DecisionKind kind, const seam::Candidates& candidates) {
  if (candidates.size() <= 1) return 0;
  if (seam_active) {
    const size_t answer = seam_ask(kind, candidates);
    return answer == seam::Policy::kDefault ? seam::default_choice({kind, {}, 0, 0, candidates}) : answer;
  }
  // The reference tries the ready cases of a select in random order; all else is in order.
  return kind == seam::DecisionKind::select ? seam_draw() % candidates.size() : 0;
}

uint64_t seam_draw() {
  if (seam_active) {
    return on_g0([] { return state.policy->draw(decision_of(seam::DecisionKind::draw, {})); });
  }
  return cheaprand();
}

seam::ObjectId new_object_id() {
  G* gp = curg();
  if (gp != nullptr) return seam::object_name(gp->name, gp->objects++);
  // Relaxed: every M's g0 and the program's own threads share it; only distinct values are needed.
  std::atomic_ref objects(reprise_g0.objects);
  return seam::object_name(reprise_g0.name, objects.fetch_add(1, std::memory_order_relaxed));
}

void seam_note_spawn(G* gp) {
  if (!seam_active) return;
  if (race_hooks != nullptr) race_hooks->spawned(gp);
  if (const stage::Table* table = stage_table()) note_goroutine(*table, gp);
  if (!state.wants_events) return;
  G* parent = curg();
  tell({seam::Event::Kind::spawn, parent != nullptr ? parent->name : seam::GoId{}, gp->name,
        counts().step, seam::OpKind::spawn, gp->spawn_site, {}});
}

void seam_note_exit(G* gp) {
  if (!seam_active) return;
  seam_take_quick_points_back();
  if (race_hooks != nullptr) race_hooks->ended(gp);
  if (!state.wants_events) return;
  tell({seam::Event::Kind::exit, gp->name, {}, counts().step, seam::OpKind::exit, 0, {}});
}

void seam_note_block(G* gp) {
  if (!seam_active) return;
  if (!state.wants_events) return;
  tell({seam::Event::Kind::block, gp->name, {}, counts().step, gp->op, gp->wait_site,
        {gp->accesses, gp->access_count}});
}

void seam_note_wake(G* gp) {
  if (!seam_active) return;
  if (race_hooks != nullptr) race_hooks->woken(gp);
  if (!state.wants_events) return;
  G* waker = curg();
  tell({seam::Event::Kind::wake, waker != nullptr ? waker->name : seam::GoId{}, gp->name, counts().step,
        seam::OpKind::resume, 0, {}});
}

}  // namespace reprise::rt
