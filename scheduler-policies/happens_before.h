// HappensBefore: the operations of one run, what orders them, and which pairs race.
//
// Two operations are ordered if one goroutine does both, if one starts or wakes the goroutine that does the
// other, or if they conflict and one comes first; and by what follows from these. They race if they
// conflict and nothing else orders them: another schedule may turn them round.
//
// Thread safety: Policy's. Linear clocks: for runs of some hundred operations by some tens of goroutines.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler-policies/footprint.h"

namespace reprise::seam {

// May the order of these matter?
bool dependent(const Operation& a, const Operation& b);

// A goroutine whose next operation needs no exploring here.
struct Sleeper {
  GoId goroutine;
  Operation operation;
};

class HappensBefore {
 public:
  static constexpr size_t kNoNode = SIZE_MAX;

  struct Race {
    size_t node;                 // the decision at which the first of the two was chosen
    std::vector<GoId> initials;  // who could go first instead, so that the second comes before the first
    GoId preferred;              // the one that does the second
  };

  void clear();
  void begin(GoId goroutine, const Operation& operation, size_t node);
  // `child` starts, or goes on, because of what the running operation did.
  void enables(GoId child);
  std::vector<Race> races() const;

 private:
  using Clock = std::vector<uint32_t>;  // by goroutine: how many of its operations come before
  struct Step {
    size_t actor;
    Operation operation;
    size_t node;
    size_t enabler;              // the step that woke or started the actor, or kNoNode
    uint32_t number;             // among its actor's
    size_t before;               // the actor's step before, or kNoNode
    Clock clock;                 // itself included
  };

  size_t index_of(GoId goroutine);
  static void join(Clock& clock, const Clock& other);
  bool ordered(const Step& first, const Clock& clock) const;
  void take_order(size_t step, std::vector<size_t>* racing);
  std::vector<GoId> initials_of(size_t first, size_t second) const;

  std::vector<GoId> actors_;
  std::vector<size_t> enabled_by_;  // by goroutine: pending edge, or kNoNode
  std::vector<size_t> latest_;      // by goroutine: its last step, or kNoNode
  std::vector<Step> steps_;
  std::vector<std::vector<size_t>> racing_;  // by step: earlier ones that it races with
};

}  // namespace reprise::seam
