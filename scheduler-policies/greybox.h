// greybox: asks for pairs of write and read that no run has shown yet.
//
// Wolff, Shi, Duck, Mathur, Roychoudhury, "Greybox Fuzzing for Concurrency Testing", ASPLOS 2024 (RFF). An
// *abstract schedule* is a set of constraints: this read sees that write, or does not. A run takes one from
// the corpus, changes it a little, and is steered towards it by holding operations back; otherwise
// it is a partial order sampling. Runs that show a new pair of write and read, or a new combination of
// pairs, enter the corpus; those whose combination was seen often are taken less often.
//
// An event is abstract: an object, a kind of operation and a place in the program, whoever does it. A lock, a
// channel, a counter count as an object that is read and written. Places and objects are numbered as they are
// first seen, so that nothing depends on where a compiler put code.
//
// Deviations: at most kMaxConstraints; a write of the initial value is an event of its own; steering looks at
// the next operations only. New constraints are drawn among the pairs that can be between two goroutines and
// were not seen. Where both ends are under one lock, who takes that lock is held back, since at the ends it is too late;
// where the write alone is under a lock, in half of the cases.
// In every second run goroutines start when the one that starts them waits. A run depends on the corpus and so
// on the runs before it; its answers repeat it. Selects, wakes, timers and polls are uniform. Thread safety:
// Policy's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/footprint.h"
#include "scheduler-policies/pairs.h"
#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class GreyboxPolicy final : public StepwisePolicy {
 public:
  static constexpr size_t kMaxConstraints = 4;

  explicit GreyboxPolicy(uint64_t seed) : StepwisePolicy(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override;

 private:
  struct Constraint {
    Pair pair;
    bool wanted = true;            // false: must not be
    bool whole = false;            // the writer's critical section waits, not only the write
    bool met = false;              // in this run its read has happened
    // Of one choice.
    bool reader_waits = false;     // somebody is about to do the read
    bool after_write = false;      // the last write is the one
  };
  struct Entry {
    std::vector<Constraint> constraints;
    uint64_t combination;          // digest of the pairs that its run showed
  };

  const Entry* pick_entry();
  Constraint draw_constraint();
  void mutate();
  void note(const KnownOperation& operation);
  // What a candidate is about to do, and what that is for each constraint.
  struct Offered {
    KnownOperation operation;
    Pairs::Role roles[kMaxConstraints];
  };

  KnownOperation known(const Candidate& candidate);
  bool held_back(const Offered& offered) const;
  static bool held_back_by(const Constraint& c, Pairs::Role role);
  void look_at(std::span<const Candidate> candidates);
  bool starter_is_ready(std::span<const Candidate> candidates) const;
  size_t highest(std::span<const Candidate> all);

  // Known from all runs.
  Pairs pairs_;
  FlatMap<Pair, uint64_t> asked_;           // how often, of pairs not seen
  FlatMap<ObjectId, uint64_t> combinations_;  // by digest: how often
  std::vector<Entry> corpus_;

  // Of this run.
  Footprint footprint_;
  std::vector<Constraint> constraints_;
  FlatMap<GoId, Priority> priorities_;
  bool late_starts_ = false;
  GoId starter_;                            // who started somebody last
  bool running_ = false;
  bool steering_ = false;                   // a constraint is not met yet
  // Of one choice, while steering.
  std::vector<Offered> offered_;            // by candidate
};

}  // namespace reprise::seam
