// Schedules in a child: the loop, and what counts as a failure.
//
// Invariant: whatever ends the child, the board says so before: the hooks write it before the runtime
// prints, and what writes nothing (a signal, _exit) leaves the kind `none` with `done` short of `last`.
#include "tools/testing/child.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/sched/fibers.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/schedules.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/policy_memory.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/trap.h"
#include "tools/wiring/stand_in.h"

namespace reprise::testing {

namespace {

// Of the one exploration of this process.
Board* board = nullptr;
bool searching = false;
std::string failed_expectation;

FailureKind kind_of(seam::Outcome::Kind kind) {
  switch (kind) {
    case seam::Outcome::Kind::panic: return FailureKind::panic;
    case seam::Outcome::Kind::deadlock: return FailureKind::deadlock;
    case seam::Outcome::Kind::failed: return FailureKind::race;
    default: return FailureKind::fatal;
  }
}

void on_dying(seam::Outcome::Kind kind, std::string_view message) {
  sim::abandon_world();
  if (board->kind == FailureKind::none) board->fail(kind_of(kind), message);
  if (searching) _exit(0);
}

void on_too_long() {
  board->fail(FailureKind::livelock, "the schedule has more steps than max_steps");
  if (searching) _exit(0);
  rt::throw_("the schedule has more steps than max_steps");
}

struct Body {
  const std::function<void()>* function;
  bool returned = false;
};

void run_body(void* arg) {
  auto* body = static_cast<Body*>(arg);
  (*body->function)();
  body->returned = true;
}

std::string left_text(const rt::ScheduleEnd& end) {
  if (end.goroutines_left == 0) return "a ticker was left running";
  return std::to_string(end.goroutines_left) + " goroutines wait and nobody is there to wake them";
}

void open_world(const ChildTask& task) {
  if (!task.world.simulated) return;
  sim::open_world(task.world.faults);
  sim::catch_calls();
}

// One schedule; the board says how it went.
void run_one(const ChildTask& task) {
  Body body{task.body};
  failed_expectation.clear();
  const rt::ScheduleEnd end = rt::run_schedule(run_body, &body, task.options->max_steps);
  task.board->steps = std::max(task.board->steps, end.steps);
  if (!body.returned) {
    task.board->fail(FailureKind::deadlock, "all goroutines are asleep - deadlock!");
  } else if (end.goroutines_left != 0 || end.timers_left) {
    task.board->fail(FailureKind::leak, left_text(end));
  } else if (!failed_expectation.empty()) {
    task.board->fail(FailureKind::expectation, failed_expectation);
  } else if (task.framework->failures) {
    const std::string failures = task.framework->failures();
    if (!failures.empty()) task.board->fail(FailureKind::expectation, failures);
  }
}

bool time_is_up(const ChildTask& task, uint64_t run) {
  constexpr uint64_t kLookEvery = 64;
  return task.until != std::chrono::steady_clock::time_point::max() && run % kLookEvery == 0 &&
         std::chrono::steady_clock::now() >= task.until;
}

seam::Outcome outcome_of(const Board& b) {
  const bool failed = b.kind != FailureKind::none;
  return {failed ? seam::Outcome::Kind::failed : seam::Outcome::Kind::ok, failed ? 1 : 0, b.message};
}

}  // namespace

void Board::fail(FailureKind failure, std::string_view text) {
  kind = failure;
  const size_t size = std::min(text.size(), sizeof message - 1);
  std::memcpy(message, text.data(), size);
  message[size] = 0;
}

void search(const ChildTask& task, std::unique_ptr<seam::Policy> policy) {
  board = task.board;
  searching = true;
  LoggedPolicy logged(std::move(policy), &board->log);
  rt::schedules_open(&logged, {on_dying, on_too_long});
  open_world(task);
  if (task.framework->begin) task.framework->begin();
  for (uint64_t run = board->run; run < task.last && !time_is_up(task, run); ++run) {
    board->run.store(run, std::memory_order_relaxed);  // the parent only looks whether it changes
    if (!logged.begin_run({task.options->seed, run, board->steps})) {
      board->finished = true;
      break;
    }
    run_one(task);
    board->done = run + 1;
    if (board->kind != FailureKind::none) _exit(0);
    logged.end_run(outcome_of(*board));
  }
  board->run.store(board->done);
  _exit(0);
}

namespace {

// REQUIRES: schedules are open.
void repeat_once(const ChildTask& task) {
  open_world(task);
  if (task.framework->begin) task.framework->begin();
  run_one(task);
  if (board->kind == FailureKind::deadlock || board->kind == FailureKind::leak) rt::die_of_deadlock();
  if (task.world.simulated) sim::close_world();
  rt::schedules_close();
}

// The policies' memory is theirs alone: whether anybody asks there shows nowhere in the program's.
void stand_in(const std::vector<Answer>* answers) {
  rt::systemstack([](void* arg) {
    const seam::PolicyMemory memory;
    const auto* given = static_cast<const std::vector<Answer>*>(arg);
    std::unique_ptr<seam::Policy> policy;
    if (given != nullptr) policy = std::make_unique<FollowAnswers>(*given);
    seam::StandInPolicy::set(std::move(policy));
  }, const_cast<std::vector<Answer>*>(answers));
}

// As the runtime ends a program that panics: it says why, and destroys nothing.
[[noreturn]] void end_as_failed() {
  std::fprintf(stderr, "%s: %s\n", std::string(name_of(board->kind)).c_str(), board->message);
  std::fflush(nullptr);
  rt::seam_finish({seam::Outcome::Kind::failed, 1, board->message});
  _exit(1);
}

}  // namespace

void repeat(const ChildTask& task, std::vector<Answer> answers) {
  board = task.board;
  searching = false;
  FollowAnswers follow(std::move(answers));
  follow.begin_run({});
  rt::schedules_open(&follow, {on_dying, on_too_long});
  repeat_once(task);
  board->finished = true;
}

void repeat_recorded(const ChildTask& task, const std::vector<Answer>& answers) {
  board = task.board;
  searching = false;
  stand_in(&answers);
  rt::schedules_open(nullptr, {on_dying, on_too_long});
  repeat_once(task);
  if (board->kind != FailureKind::none) end_as_failed();
  stand_in(nullptr);
  board->finished = true;
}

}  // namespace reprise::testing

namespace reprise {

void expect(bool holds, std::string_view claim) {
  if (!holds && testing::failed_expectation.empty()) testing::failed_expectation = claim;
}

uint64_t explored_draw() { return rt::seam_draw(); }

}  // namespace reprise
