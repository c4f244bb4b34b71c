// surw: selectively uniform random walk.
//
// Zhao, Wolff, Mathur, Roychoudhury, "Selectively Uniform Concurrency Testing", ASPLOS 2025. A first run
// counts which goroutine touches which object how often. Each run after it picks one object; of the
// interleavings of the operations on that object, all are equally likely if the counts hold: who makes the
// next one is drawn with weights proportional to how many each has left, its children's included, and the
// others wait before theirs. Everything else is a uniform random walk in between.
//
// Deviations: the profile is taken in every run that shows more than was known, not only in the first; the
// object is drawn among those that at least two goroutines touch and one writes, meeting points (wait groups,
// once) left out; whoever is drawn and cannot come to its operation, because it waits for another, gives
// its turn up. Selects, wakes, timers and polls are uniform.
//
// A run depends on the profile and so on the runs before it; the answers of a run repeat it. Thread safety:
// Policy's.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class SurwPolicy final : public StepwisePolicy {
 public:
  explicit SurwPolicy(uint64_t seed) : StepwisePolicy(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override;

 private:
  // What a goroutine does to an object: at most, as far as runs have shown, and in this run up to now.
  struct Count {
    GoId goroutine;
    uint64_t touches = 0, touches_now = 0;
    bool writes = false;
  };
  struct Object {
    ObjectId id;
    std::vector<Count> counts;
    bool touched = false;          // in this run
  };
  struct Child {
    GoId parent, child;
    bool started = false;          // in this run
  };

  // How many interesting operations the goroutine has not begun, in all and of its descendants to come.
  uint64_t left_of(GoId goroutine) const;
  uint64_t planned_of(GoId goroutine) const;
  bool interesting(const Candidate& candidate) const;
  size_t draw_intended(const Decision& decision);
  size_t walk(const Decision& decision);
  void learn();
  void count(const Event& event);
  void note_birth(const Event& event);
  void pass_on_to(GoId child);

  // Known from all runs, in order of first sight.
  std::vector<Object> objects_;
  std::vector<Child> family_;
  FlatMap<ObjectId, uint32_t> object_at_;  // index + 1
  FlatMap<GoId, uint32_t> child_at_;       // index + 1
  std::vector<size_t> choices_;            // objects worth picking

  // Of this run.
  std::vector<size_t> touched_;            // objects
  bool learned_ = false;                   // it showed more than was known
  static constexpr size_t kNone = SIZE_MAX;
  size_t object_ = kNone;                  // the one picked
  GoId intended_;
  bool has_intended_ = false;
  std::vector<size_t> allowed_;            // of one choice
  std::vector<uint64_t> weights_;          // of one choice
};

}  // namespace reprise::seam
