// Shrinking deviations, with a judge in place of a program; and what is read out of an observed run.
#include "replay/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "replay/interleaving.h"

namespace reprise::trace {
namespace {

using seam::DecisionKind;
using seam::GoId;
using seam::OpKind;
using tape::Deviation;
using tape::Observed;

Deviation preempt(uint64_t goroutine, uint64_t own_step, uint64_t chosen) {
  Deviation out;
  out.goroutine = {0, goroutine};
  out.own_step = own_step;
  out.preempts = true;
  out.chosen = {0, chosen};
  return out;
}

Trial trial_of(const Deviations& list) {
  Trial trial;
  trial.fails = true;
  trial.deviations = list;
  trial.weight.deviations = trial.weight.preemptions = list.size();
  return trial;
}

Deviations many(uint64_t count) {
  Deviations out;
  for (uint64_t i = 1; i <= count; ++i) out.push_back(preempt(1, i, 2));
  return out;
}

bool holds(const Deviations& list, const Deviation& one) { return std::find(list.begin(), list.end(), one) != list.end(); }

// Fails if all of these are in the list.
Judge fails_with(const Deviations& needed) {
  return [needed](const std::vector<Deviations>& lists) {
    std::vector<Trial> out;
    for (const Deviations& list : lists) {
      const bool fails = std::all_of(needed.begin(), needed.end(), [&](const Deviation& d) { return holds(list, d); });
      out.push_back(fails ? trial_of(list) : Trial{});
    }
    return out;
  };
}

TEST(Shrink, keeps_exactly_what_the_failure_needs) {
  const Deviations all = many(100);
  for (const Deviations& needed : {Deviations{}, Deviations{all[41]}, Deviations{all[0], all[57], all[99]}}) {
    const Shrunk shrunk = shrink(trial_of(all), fails_with(needed), {});
    EXPECT_EQ(shrunk.deviations, needed);
    EXPECT_TRUE(shrunk.minimal);
  }
}

TEST(Shrink, does_not_depend_on_how_many_run_at_a_time) {
  const Deviations all = many(60);
  // Either of two pairs is enough, so which one is left depends on the order of trials.
  const Judge either = [&](const std::vector<Deviations>& lists) {
    std::vector<Trial> out;
    for (const Deviations& list : lists) {
      const bool fails = (holds(list, all[3]) && holds(list, all[50])) || (holds(list, all[20]) && holds(list, all[21]));
      out.push_back(fails ? trial_of(list) : Trial{});
    }
    return out;
  };
  ShrinkOptions wide;
  wide.batch = 7;
  const Deviations one = shrink(trial_of(all), either, {}).deviations;
  EXPECT_EQ(one.size(), 2u);
  EXPECT_EQ(shrink(trial_of(all), either, wide).deviations, one);
}

TEST(Shrink, finds_one_preemption_elsewhere_in_place_of_two) {
  const Deviations two = {preempt(1, 3, 2), preempt(2, 5, 1)};
  const Deviation other = preempt(1, 4, 2);
  const Judge judge = [&](const std::vector<Deviations>& lists) {
    std::vector<Trial> out;
    for (const Deviations& list : lists) {
      out.push_back(list == two || holds(list, other) ? trial_of(list) : Trial{});
      out.back().alternatives = {preempt(2, 1, 1), other};
    }
    return out;
  };
  EXPECT_EQ(shrink(trial_of(two), judge, {}).deviations, Deviations{other});
}

TEST(Shrink, finds_two_other_choices_in_place_of_a_preemption) {
  const Deviations one = {preempt(1, 3, 2)};
  Deviation first = preempt(1, 7, 3), second = preempt(3, 6, 4);
  first.preempts = second.preempts = false;
  const Judge judge = [&](const std::vector<Deviations>& lists) {
    std::vector<Trial> out;
    for (const Deviations& list : lists) {
      out.push_back(list == one || (holds(list, first) && holds(list, second)) ? trial_of(list) : Trial{});
      if (list != one) out.back().weight.preemptions = 0;
      // The second comes up only after the first was taken.
      out.back().alternatives = {holds(list, first) ? second : first};
    }
    return out;
  };
  EXPECT_EQ(shrink(trial_of(one), judge, {}).deviations, (Deviations{first, second}));
}

TEST(Shrink, ends_when_time_is_up_and_says_so) {
  ShrinkOptions options;
  options.until = std::chrono::steady_clock::now();
  const Shrunk shrunk = shrink(trial_of(many(10)), fails_with({}), options);
  EXPECT_FALSE(shrunk.minimal);
  EXPECT_EQ(shrunk.deviations.size(), 10u);
}

// Builds an observed run.
class RecordedRun {
 public:
  RecordedRun& step(uint64_t who, OpKind op, uint64_t object, bool write = true) {
    Observed& h = add(Observed::What::step, who);
    h.op = static_cast<uint8_t>(op);
    h.goid = who;
    h.own_step = ++steps_[who];
    h.accesses = object != 0;
    h.writes = write;
    h.objects[0] = {object, 0};
    return *this;
  }
  RecordedRun& spawn(uint64_t who, uint64_t other) { return add(Observed::What::spawn, who).other = {0, other}, *this; }
  RecordedRun& block(uint64_t who) { return add(Observed::What::block, who), *this; }
  RecordedRun& wake(uint64_t who, uint64_t other) { return add(Observed::What::wake, who).other = {0, other}, *this; }
  RecordedRun& exit(uint64_t who) { return add(Observed::What::exit, who), *this; }
  RecordedRun& preempted(uint64_t who, uint64_t chosen) {
    Observed& h = add(Observed::What::choice, who);
    h.op = static_cast<uint8_t>(DecisionKind::run);
    h.stays_ready = h.announced = true;
    h.other = {0, chosen};
    return *this;
  }
  RecordedRun& chosen(uint64_t after, uint64_t who) {
    Observed& h = add(Observed::What::choice, after);
    h.op = static_cast<uint8_t>(DecisionKind::run);
    h.by_default = true;
    h.other = {0, who};
    return *this;
  }
  operator const Observation&() const { return run_; }

 private:
  Observed& add(Observed::What what, uint64_t who) {
    run_.happenings.emplace_back();
    Observed& h = run_.happenings.back().head;
    h = {};
    h.what = what;
    h.goroutine = {0, who};
    h.own_step = steps_[who];
    return h;
  }
  Observation run_;
  std::map<uint64_t, uint64_t> steps_;
};

TEST(Observation, tells_who_else_could_have_gone_on) {
  RecordedRun run;
  run.step(1, OpKind::spawn, 0).spawn(1, 2).step(1, OpKind::spawn, 0).spawn(1, 3).block(1).chosen(1, 2).step(2, OpKind::lock, 9);
  const Deviations others = alternatives_of(run);
  std::vector<std::tuple<uint64_t, uint64_t, bool, uint64_t>> seen;
  for (const Deviation& d : others) seen.emplace_back(d.goroutine.lo, d.own_step, d.preempts, d.chosen.lo);
  const decltype(seen) expected = {{1, 2, false, 3}, {1, 2, true, 2}, {2, 1, true, 3}};
  EXPECT_EQ(seen, expected);
}

TEST(Observation, a_goroutine_that_is_stopped_and_chosen_again_was_not_preempted) {
  RecordedRun run;
  run.step(1, OpKind::memory_write, 7).preempted(1, 1).step(1, OpKind::memory_write, 7).preempted(1, 2);
  const Deviations found = deviations_of(run);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], preempt(1, 2, 2));
  EXPECT_EQ(weight_of(run).preemptions, 1u);
}

TEST(Interleaving, an_operation_is_done_when_its_goroutine_goes_on) {
  RecordedRun run;
  run.step(1, OpKind::memory_write, 7).preempted(1, 2).step(2, OpKind::memory_read, 7, false).exit(2).chosen(2, 1);
  run.exit(1);
  const std::vector<Operation> operations = operations_of(run);
  ASSERT_EQ(operations.size(), 2u);
  EXPECT_EQ(operations[0].goid, 2u);
  EXPECT_EQ(operations[1].goid, 1u);
  EXPECT_TRUE(operations[1].preempted);
}

TEST(Interleaving, pairs_conflict_and_no_wake_up_orders_them) {
  RecordedRun run;
  run.step(1, OpKind::memory_read, 7, false).step(2, OpKind::memory_read, 7, false);  // two reads
  run.step(1, OpKind::chan_send, 8).wake(1, 3).step(3, OpKind::chan_recv, 8);           // ordered
  run.step(2, OpKind::memory_write, 7);
  const std::vector<Operation> operations = operations_of(run);
  const std::vector<Pair> pairs = reversible_pairs(run, operations);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(operations[pairs[0].first].goid, 1u);
  EXPECT_EQ(operations[pairs[0].second].op, OpKind::memory_write);
}

TEST(Interleaving, locks_in_opposite_orders_are_a_cycle) {
  RecordedRun run;
  run.step(1, OpKind::lock, 7).step(1, OpKind::lock, 8).preempted(1, 2);
  run.step(2, OpKind::lock, 8).step(2, OpKind::lock, 7).block(2).chosen(2, 1).block(1);
  run.step(3, OpKind::chan_recv, 9).block(3);
  const std::vector<Waiting> waiting = waiting_at_end(run);
  ASSERT_EQ(waiting.size(), 3u);
  EXPECT_TRUE(waiting[0].holders);
  EXPECT_EQ(waiting[0].for_whom, std::vector<GoId>({{0, 2}}));
  EXPECT_TRUE(waiting[2].for_whom.empty());
  EXPECT_EQ(cycle_of(waiting), std::vector<GoId>({{0, 1}, {0, 2}}));
}

// Cond::wait announces itself, gives its lock back, and parks.
TEST(Interleaving, who_waits_for_a_condition_waits_in_that_and_holds_no_lock) {
  RecordedRun run;
  run.step(1, OpKind::lock, 7).step(1, OpKind::wait, 8).step(1, OpKind::unlock, 7).block(1).chosen(1, 2);
  run.step(2, OpKind::lock, 7).step(2, OpKind::chan_recv, 9).block(2).chosen(2, 3);
  run.step(3, OpKind::lock, 7).block(3);
  const std::vector<Waiting> waiting = waiting_at_end(run);
  ASSERT_EQ(waiting.size(), 3u);
  EXPECT_EQ(waiting[0].in.op, OpKind::wait);
  EXPECT_FALSE(waiting[0].holders);
  EXPECT_EQ(waiting[2].for_whom, std::vector<GoId>({{0, 2}}));
}

TEST(Interleaving, a_swapped_pair_is_a_hold_and_a_way_back) {
  Operation first, second;
  first.goroutine = {0, 1};
  first.own_step = 4;
  second.goroutine = {0, 2};
  second.own_step = 9;
  const Deviations swapped = with_swapped({preempt(2, 10, 3)}, first, second);
  ASSERT_EQ(swapped.size(), 2u);
  EXPECT_TRUE(swapped[0].holds);
  EXPECT_EQ(swapped[0].value, 9u);
  EXPECT_EQ(swapped[1], preempt(2, 10, 1));
}

}  // namespace
}  // namespace reprise::trace
