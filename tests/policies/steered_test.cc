// The steered policy: its default continuation, deviations by own step, and holds.
#include "scheduler-policies/steered.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "runtime/seam/not_here.h"

namespace reprise::seam {
namespace {

using tape::Deviation;

constexpr GoId kOne{0, 1}, kTwo{0, 2}, kThree{0, 3};

Deviation preempt(GoId goroutine, uint64_t own_step, GoId chosen) {
  Deviation out;
  out.goroutine = goroutine;
  out.own_step = own_step;
  out.preempts = true;
  out.chosen = chosen;
  return out;
}

// Asks as the runtime does.
class Asking {
 public:
  explicit Asking(std::vector<Deviation> deviations) : deviations_(std::move(deviations)) { policy_.begin_run({}); }

  void step(GoId who, OpKind op = OpKind::memory_write) { event(Event::Kind::step, who, op); }
  void block(GoId who) { event(Event::Kind::block, who, OpKind::resume); }
  uint64_t ticks(GoId who) { return policy_.draw({DecisionKind::preempt, who, 0, 0, {}}); }
  uint64_t bits(GoId who) { return policy_.draw({DecisionKind::draw, who, 0, 0, {}}); }

  // Who follows, of these, the first one being ready for longest.
  GoId next(const std::vector<GoId>& ready) {
    std::vector<Candidate> candidates;
    for (const GoId who : ready) candidates.push_back({.goroutine = who, .ready_step = candidates.size() + 1});
    const size_t answer = policy_.choose({DecisionKind::run, {}, 0, 0, candidates});
    return ready[answer == Policy::kDefault ? 0 : answer];
  }

 private:
  void event(Event::Kind kind, GoId who, OpKind op) { policy_.executed({kind, who, {}, 0, op, 0, {}}); }
  const std::vector<Deviation> deviations_;  // the policy looks at them where they lie
  SteeredPolicy policy_{deviations_};
};

TEST(Steered, by_default_nobody_is_stopped_and_the_first_in_line_follows) {
  Asking asking({});
  asking.step(kOne);
  EXPECT_EQ(asking.ticks(kOne), Policy::kUnbounded);
  asking.block(kOne);
  EXPECT_EQ(asking.next({kThree, kTwo}), kThree);
}

TEST(Steered, a_preemption_falls_at_the_goroutines_own_step_whatever_others_do) {
  for (const int others : {0, 3}) {
    Asking asking({preempt(kOne, 2, kThree)});
    asking.step(kOne);
    EXPECT_EQ(asking.ticks(kOne), kNotHere);
    for (int i = 0; i < others; ++i) asking.step(kTwo);
    asking.step(kOne);
    EXPECT_EQ(asking.ticks(kOne), 1u);
    EXPECT_EQ(asking.next({kTwo, kThree, kOne}), kThree);
    asking.step(kOne);
    EXPECT_EQ(asking.ticks(kOne), Policy::kUnbounded);
  }
}

TEST(Steered, a_choice_of_somebody_who_is_not_there_is_the_default) {
  Asking asking({preempt(kOne, 1, kThree)});
  asking.step(kOne);
  EXPECT_EQ(asking.ticks(kOne), 1u);
  EXPECT_EQ(asking.next({kTwo, kOne}), kTwo);
}

TEST(Steered, a_held_goroutine_waits_until_the_other_has_done_its_step) {
  Deviation hold;
  hold.goroutine = kOne;
  hold.own_step = 1;
  hold.nth = Deviation::kHoldNth;
  hold.holds = true;
  hold.chosen = kTwo;
  hold.value = 2;
  Asking asking({hold});
  asking.step(kOne);
  EXPECT_EQ(asking.ticks(kOne), 1u);
  EXPECT_EQ(asking.next({kTwo, kOne}), kTwo);
  asking.step(kTwo);
  asking.step(kTwo);
  asking.block(kThree);
  EXPECT_EQ(asking.next({kOne, kTwo}), kTwo);  // the first in line is held
  EXPECT_EQ(asking.next({kOne}), kOne);         // nobody else can run
  asking.block(kTwo);                           // the second step is done: it waits in it
  EXPECT_EQ(asking.next({kOne, kThree}), kOne);
}

TEST(Steered, random_bits_are_the_listed_ones_or_a_function_of_who_draws) {
  Deviation drawn;
  drawn.goroutine = kOne;
  drawn.kind = DecisionKind::draw;
  drawn.nth = 1;
  drawn.value = 77;
  Asking listed({drawn}), plain({});
  EXPECT_EQ(listed.bits(kOne), plain.bits(kOne));
  EXPECT_EQ(listed.bits(kOne), 77u);
  EXPECT_NE(plain.bits(kOne), plain.bits(kOne));
}

}  // namespace
}  // namespace reprise::seam
