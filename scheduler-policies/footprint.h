// Footprint: which operations happen, in which order, as the policies that look at conflicts need it.
//
// The seam announces an operation before it happens, and asks who goes next only where there is a choice. A
// *transition* is one announced operation together with what its goroutine then does up to its next point;
// it begins when the goroutine is chosen, or goes on without a question. A goroutine that had to wait inside
// its operation comes back as a resumption without accesses, although what it then does is the operation
// that it announced: it takes the lock. A Footprint knows both. Feed it every event of a run
// (wants_events()) and every choice of kind run.
//
// Thread safety: Policy's. Memory grows with the goroutines of one run and is used again.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::seam {

// At most as many accesses as the runtime announces.
struct Operation {
  static constexpr size_t kMaxAccesses = 4;
  OpKind op = OpKind::start;
  size_t count = 0;
  Access accesses[kMaxAccesses];
  Site site = 0;

  std::span<const Access> list() const { return {accesses, count}; }
};

bool conflict(std::span<const Access> a, std::span<const Access> b);

struct Transition {
  GoId goroutine;
  Operation operation;
};

class Footprint {
 public:
  void clear();
  // The transition that must have begun before this event, if no choice began it.
  std::optional<Transition> executed(const Event& event);
  // The transition that begins because the candidate was chosen.
  Transition chosen(const Candidate& candidate);
  // What the candidate will do: as announced, or what it waited in.
  Operation operation_of(const Candidate& candidate) const;
  // Who runs. Zero before the first transition.
  GoId current() const { return current_; }

  // The same without copies, for who keeps things of his own by goroutine: its number in this run, from 0.
  // REQUIRES: it is not the zero id.
  size_t number_of(GoId goroutine) {
    return last_ != kNobody && pending_[last_].goroutine == goroutine ? last_ : look_for(goroutine);
  }
  // What must have begun before an event of this goroutine's, null if nothing, good up to the next call; then the event
  // itself.
  const Operation* beginning(size_t number) const;
  void take(size_t number, const Event& event);
  void begin(size_t number) {                              // it was chosen
    pending_[number].announced = false;
    current_ = pending_[number].goroutine;
  }
  const Operation* waited_in(size_t number) const {        // null if it did not
    return pending_[number].blocked ? &pending_[number].operation : nullptr;
  }

 private:
  struct Pending {
    GoId goroutine;
    Operation operation;
    bool announced;  // and not begun
    bool blocked;    // inside it
  };
  static constexpr size_t kNobody = SIZE_MAX;
  size_t look_for(GoId goroutine);

  std::vector<Pending> pending_;
  size_t last_ = kNobody;  // the number that was asked for last
  GoId current_;
};

}  // namespace reprise::seam
