// Policy: chooses between things that the runtime could do. The pluggable half of the seam.
//
// A policy is called on g0, by one thread at a time, and allocates from the runtime arena only;
// it never blocks, never makes a system call, never looks at the clock: given the same answers it
// must ask and answer the same. Wrap one to record, follow, check or bound it (decorators); do not
// add flags. Ownership: the seam owns the outermost policy, each decorator its inner one.
//
// Modelled on Shuttle's Scheduler trait (three methods), widened by events and draws.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/seam/decision.h"

namespace reprise::seam {

struct RunInfo {
  uint64_t seed = 0;
  uint64_t run = 0;    // index of this run within one exploration, from 0
  uint64_t steps = 0;  // how long a run may get, as far as earlier ones showed; 0: nobody knows
};

struct Outcome {
  enum class Kind : uint8_t { ok, failed, deadlock, panic, crash, cut_off } kind = Kind::ok;
  int exit_status = 0;
  std::string_view message;
};

class Policy {
 public:
  virtual ~Policy() = default;

  // Starts a run. False: nothing is left to explore, and the run does not happen.
  virtual bool begin_run(const RunInfo& info) = 0;

  // Returns an index into decision.candidates, or kDefault: who waited longest
  // (runtime/seam/default_choice.h), whom the runtime knows without a search. Called only when there
  // is more than one.
  virtual size_t choose(const Decision& decision) = 0;

  // DecisionKind::draw: 64 random bits. DecisionKind::preempt: ticks to the next preemption; 0 asks again
  // at the next tick (not_here.h). A tick is a scheduling point at which another goroutine is ready, whoever comes to
  // it: a goroutine that blocks leaves the rest to the next. kUnbounded: decision.chooser runs until
  // it blocks, and the next one's first tick asks again.
  // DecisionKind::interrupt: 64 random bits, or kUnbounded: goroutines that compute are preempted when
  // their time slice is over.
  virtual uint64_t draw(const Decision& decision) = 0;

  // Every step, spawn, block, wake and exit, in order. Called only if wants_events(), which is asked after begin_run() and
  // holds for the run.
  virtual void executed(const Event& event) = 0;
  virtual bool wants_events() const { return false; }

  virtual void end_run(const Outcome& outcome) = 0;

  static constexpr uint64_t kUnbounded = UINT64_MAX;
  static constexpr size_t kDefault = SIZE_MAX;
};

}  // namespace reprise::seam
