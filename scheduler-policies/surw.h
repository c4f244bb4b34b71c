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
#include <map>
#include <vector>

#include "scheduler-policies/seeded.h"

namespace reprise::seam {

class SurwPolicy final : public SeededPolicy {
 public:
  explicit SurwPolicy(uint64_t seed) : SeededPolicy(seed) {}

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override;
  uint64_t draw(const Decision& decision) override;
  void executed(const Event& event) override;
  bool wants_events() const override { return true; }
  void end_run(const Outcome& outcome) override;

 private:
  struct Count {
    GoId goroutine;
    uint64_t touches = 0;
    bool writes = false;
  };
  struct Child {
    GoId parent, child;
  };

  // How many interesting operations the goroutine has not begun, in all and of its descendants to come.
  uint64_t left_of(GoId goroutine) const;
  uint64_t planned_of(GoId goroutine) const;
  bool interesting(const Candidate& candidate) const;
  size_t draw_intended(const Decision& decision);
  void pick_object();
  void learn();
  void pass_on_to(GoId child);

  // Known from all runs.
  std::map<ObjectId, std::vector<Count>> profile_;
  std::vector<Child> family_;
  std::vector<ObjectId> choices_;  // objects worth picking

  // Of this run.
  std::map<ObjectId, std::vector<Count>> seen_;
  std::vector<Child> born_;
  ObjectId object_;
  bool has_object_ = false;
  std::vector<Count> touched_;     // of object_, by goroutine: operations begun
  GoId intended_;
  bool has_intended_ = false;
};

}  // namespace reprise::seam
