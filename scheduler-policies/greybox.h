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
// where the write alone is under a lock, in seven of eight cases.
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
  };
  struct Entry {
    std::vector<Constraint> constraints;
    uint64_t combination;          // digest of the pairs that its run showed
  };

  const Entry* pick_entry();
  Constraint draw_constraint();
  void mutate();
  void note(const KnownOperation& operation);
  // A set of constraints, by a bit for each.
  using Constraints = uint8_t;
  static_assert(kMaxConstraints <= 8);
  // Those for which an operation is the read, the write, or another write of the object.
  struct Roles {
    Constraints read = 0, write = 0, other_write = 0;
  };
  // A goroutine of this run.
  struct Member {
    Priority priority;
    bool is_known = false;        // `announced` is of the operation that it announced last
    KnownOperation announced;
    uint64_t version = 0;         // of pairs_, when `roles` were found out
    Roles roles;                  // of the operation that it announced last
  };
  // A candidate, by its number in footprint_.
  struct Offered {
    GoId goroutine;
    size_t member = 0;
    Roles roles;                  // only while steering
  };

  Member& member(size_t number) {
    if (number >= member_count_) make_members(number + 1);
    return members_[number];
  }
  void make_members(size_t count);
  const KnownOperation& known(size_t number, GoId goroutine, OpKind op, Site site, std::span<const Access> accesses);
  const Operation* waited_in(const Offered& offered, const Candidate& candidate) const;
  const KnownOperation& known(const Offered& offered, const Candidate& candidate);
  Roles roles_of(const Offered& offered, const Candidate& candidate);
  void find_locks();
  void number(std::span<const Candidate> candidates);
  bool held_back(const Roles& roles) const;
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
  std::vector<Member> members_;             // by number in footprint_; behind `member_count_` those of earlier runs
  size_t member_count_ = 0;
  bool late_starts_ = false;
  GoId starter_;                            // who started somebody last
  bool running_ = false;
  bool steering_ = false;                   // a constraint is not met yet
  uint64_t locks_version_ = 0;              // of pairs_, when `locks_` were found out
  Pairs::Locks locks_[kMaxConstraints];     // by constraint
  // Of one choice.
  Roles hold_;                              // for whom an operation in this role waits
  std::vector<Offered> offered_;            // by candidate, and room for more; roles only while steering
  size_t offered_room_ = 0;                 // its size: a division by that of an element otherwise
};

}  // namespace reprise::seam
