// OwnSteps: where in a goroutine's own course a decision falls.
//
// Steps of a run are counted over all goroutines, so a decision taken otherwise moves every later one. A
// goroutine's own scheduling points are not moved by what others do, as long as it does the same itself.
// A key made of them names a decision in other schedules too (tape::Deviation).
//
// Thread safety: none; Policy's callers are one at a time. Allocates where a goroutine is first seen.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "runtime/seam/decision.h"
#include "runtime/seam/names.h"

namespace reprise::seam {

class OwnSteps {
 public:
  struct Key {
    GoId goroutine;
    uint64_t own_step = 0;
    uint32_t nth = 0;  // among decisions of one kind at this own step
  };

  // Random bits where nobody says which: a function of who draws them.
  static uint64_t default_draw(const Key& key) {
    return mix(key.goroutine.lo ^ mix(key.own_step + (uint64_t{key.nth} << 48) + 1));
  }

  // REQUIRES: every event of the run, in order. Returns the own step of the goroutine of `event`.
  uint64_t executed(const Event& event) {
    if (event.kind == Event::Kind::wake) return of(event.goroutine).steps;  // whoever wakes need not run
    last_ = event.goroutine;
    Course& course = of(last_);
    // Where a computation was interrupted it had come to no point of its own.
    if (event.kind == Event::Kind::step && event.op != OpKind::resume) {
      ++course.steps;
      course.announced = event.op;
    } else {
      course.announced = OpKind::stop;
    }
    return course.steps;
  }

  // The key of a choice or a draw. Counts it: call once for each.
  Key key_of(const Decision& decision) {
    const GoId who = decision.kind == DecisionKind::run ? last_ : decision.chooser;
    Course& course = of(who);
    Counted& counted = course.decisions[static_cast<size_t>(decision.kind)];
    counted.nth = counted.any && counted.own_step == course.steps ? counted.nth + 1 : 0;
    counted.any = true;
    counted.own_step = course.steps;
    return {who, course.steps, counted.nth};
  }

  // How far a goroutine has come.
  uint64_t steps_of(GoId goroutine) { return of(goroutine).steps; }

  // The operation before which `goroutine` stands if it was stopped now; OpKind::stop if it passed the
  // point or waits, or stands at one where it gives way by itself.
  OpKind announced(GoId goroutine) {
    const OpKind op = of(goroutine).announced;
    return op == OpKind::yield ? OpKind::stop : op;
  }

 private:
  struct Counted {
    uint64_t own_step = 0;
    uint32_t nth = 0;
    bool any = false;
  };
  struct Course {
    uint64_t steps = 0;
    OpKind announced = OpKind::stop;
    std::array<Counted, kDecisionKinds> decisions;
  };
  Course& of(GoId goroutine) { return courses_[goroutine]; }

  std::map<GoId, Course> courses_;
  GoId last_;  // who ran last
};

}  // namespace reprise::seam
