// exhaustive: every schedule that can differ from those before, and then no more.
//
// Abdulla, Aronis, Jonsson, Sagonas, "Optimal Dynamic Partial Order Reduction", POPL 2014: the source-set
// algorithm with sleep sets. A first schedule is run; wherever two of its operations conflict (one object,
// one of them writes) and nothing orders them but that one came first, a schedule is owed in which the
// other does. begin_run() answers false when none is owed any more: then every behaviour was seen, but for
// those that a draw decides. Of selects, wakes, timers and polls every answer is tried.
//
// Deviations: a run cannot be stopped half way, so one that turns out to be redundant is run to its end and
// counted as such; operations of which the runtime announces no object (sleeping, input and output, a select
// over more than four channels) conflict with everything. Draws are the same in every run. A
// goroutine that waited inside an operation is taken to do it again when it is woken.
//
// The number of schedules grows exponentially with conflicts: for tests of some ten operations. Thread safety:
// Policy's.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler-policies/footprint.h"
#include "scheduler-policies/happens_before.h"
#include "scheduler-policies/rng.h"

namespace reprise::seam {

class ExhaustivePolicy final : public Policy {
 public:
  // The seed is for draws only.
  explicit ExhaustivePolicy(uint64_t seed) : seed_(seed), rng_(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override;

  uint64_t redundant_runs() const { return redundant_; }
  // The program asked something else than in an earlier run with the same answers: the search ended early.
  bool diverged() const { return diverged_; }

 private:
  struct Option {
    GoId goroutine;
    Operation operation;
    bool owed = false;  // in the source set
    bool done = false;
  };
  // A decision on the path of the current run.
  struct Node {
    DecisionKind kind;
    std::vector<Option> options;
    std::vector<Sleeper> sleepers;  // run: as they were before the decision
    size_t chosen = 0;
  };

  size_t repeat(const Decision& decision);
  size_t extend(const Decision& decision);
  size_t first_awake(const Node& node);
  bool asleep(const Node& node, const Option& option) const;
  void wake_sleepers(const Transition& transition);
  void begin(const Transition& transition, size_t node);
  void owe(const HappensBefore::Race& race);
  bool advance();

  const uint64_t seed_;
  Rng rng_;
  std::vector<Node> path_;
  size_t depth_ = 0;                 // questions of this run so far
  std::vector<Sleeper> sleepers_;    // now
  bool running_redundant_ = false;
  bool started_ = false, diverged_ = false, exhausted_ = false;
  uint64_t redundant_ = 0;
  Footprint footprint_;
  HappensBefore order_;
};

}  // namespace reprise::seam
