// greybox: asks for pairs of write and read that no run has shown yet.
//
// Wolff, Shi, Duck, Mathur, Roychoudhury, "Greybox Fuzzing for Concurrency Testing", ASPLOS 2024 (RFF). An
// *abstract schedule* is a set of constraints: this read sees that write, or does not. A run takes one from
// the corpus, changes it a little, and is steered towards it by holding operations back; otherwise
// it is a partial order sampling. Runs that show a new pair of write and read, or a new combination of
// pairs, enter the corpus; those whose combination was seen often are taken less often.
//
// An event is abstract: an object, a kind of operation and a place in the program, whoever does it. A lock, a
// channel, a counter count as an object that is read and written.
//
// Deviations: at most kMaxConstraints; a write of the initial value is an event of its own; steering looks at
// the next operations only. A run depends on the corpus and so on the runs before it; its answers repeat it.
// Selects, wakes, timers and polls are uniform. Thread safety: Policy's.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "scheduler-policies/footprint.h"
#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class GreyboxPolicy final : public SeededPolicy {
 public:
  static constexpr size_t kMaxConstraints = 4;

  explicit GreyboxPolicy(uint64_t seed) : SeededPolicy(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override;

 private:
  // An abstract event; kind `start` and site 0: the object's initial value.
  struct Place {
    OpKind op = OpKind::start;
    Site site = 0;
    auto operator<=>(const Place&) const = default;
  };
  struct Pair {
    ObjectId object;
    Place write, read;
    auto operator<=>(const Pair&) const = default;
  };
  struct Constraint {
    Pair pair;
    bool wanted;  // false: must not be
  };
  struct Entry {
    std::vector<Constraint> constraints;
    uint64_t combination;  // digest of the pairs that its run showed
  };
  struct Object {
    std::set<Place> writes, reads;
  };

  const Entry* pick_entry();
  Constraint draw_constraint();
  void mutate();
  void note(const Transition& transition);
  bool held_back(const Operation& operation) const;
  bool held_back_by(const Constraint& c, const Operation& operation) const;
  Place last_write(ObjectId object) const;
  size_t highest(const Decision& decision);

  // Known from all runs.
  std::map<ObjectId, Object> objects_;
  std::vector<ObjectId> shared_;            // with a write and a read
  std::set<Pair> pairs_;
  std::map<uint64_t, uint64_t> combinations_;  // how often
  std::vector<Entry> corpus_;

  // Of this run.
  Footprint footprint_;
  std::vector<Constraint> constraints_;
  std::vector<bool> met_;                   // by constraint: its read has happened
  std::map<ObjectId, Place> last_write_;
  std::set<Pair> shown_;
  std::map<GoId, uint64_t> priorities_;
  bool running_ = false;
};

}  // namespace reprise::seam
