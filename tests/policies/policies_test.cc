// The built-in policies, against the toy program and on bare decisions.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/seam/catalog.h"
#include "runtime/seam/default_choice.h"
#include "scheduler-policies/delay_bounded.h"
#include "scheduler-policies/fair.h"
#include "scheduler-policies/fair_suffix.h"
#include "scheduler-policies/flat_map.h"
#include "scheduler-policies/greybox.h"
#include "scheduler-policies/happens_before.h"
#include "scheduler-policies/pct.h"
#include "scheduler-policies/portfolio.h"
#include "scheduler-policies/pos.h"
#include "scheduler-policies/preemption_bounded.h"
#include "scheduler-policies/random.h"
#include "scheduler-policies/rng.h"
#include "scheduler-policies/walk.h"
#include "tests/policies/toy_program.h"

namespace reprise::seam {
namespace {

std::unique_ptr<Policy> made(std::string_view name, uint64_t seed) {
  std::string error;
  auto policy = make_policy(name, seed, &error);
  EXPECT_TRUE(policy != nullptr) << error;
  return policy;
}

TEST(Rng, is_a_function_of_seed_and_stream) {
  Rng a(42), b(42), other(43), stream(42, 1);
  const uint64_t first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, other.next());
  EXPECT_NE(first, stream.next());
}

TEST(Rng, below_stays_below_for_awkward_bounds) {
  Rng rng(1);
  for (const uint64_t bound : {uint64_t{1}, uint64_t{3}, uint64_t{1} << 63, UINT64_MAX})
    for (int i = 0; i < 1000; ++i) ASSERT_LT(rng.below(bound), bound);
}

TEST(Catalog, every_policy_repeats_its_schedule_for_a_seed_and_runs_every_step) {
  for (const CatalogEntry& entry : catalog()) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      ToyProgram toy;
      const auto first = toy.run(*made(entry.name, seed));
      EXPECT_EQ(first, toy.run(*made(entry.name, seed))) << entry.name << " seed " << seed;
      EXPECT_EQ(first.size(), toy.workers * toy.steps_each);
    }
  }
}

// What a policy has learned in the runs before is a part of its schedule.
bool learns(std::string_view policy) {
  return policy == "surw" || policy == "greybox" || policy == "exhaustive" || policy == "portfolio";
}

TEST(Catalog, a_second_run_of_one_policy_equals_a_fresh_policys_second_run) {
  for (const CatalogEntry& entry : catalog()) {
    if (learns(entry.name)) continue;
    ToyProgram toy{.workers = 5, .steps_each = 20};
    auto used = made(entry.name, 3), fresh = made(entry.name, 3);
    toy.run(*used, {3, 0});
    EXPECT_EQ(toy.run(*used, {3, 1}), toy.run(*fresh, {3, 1})) << entry.name;
  }
}

TEST(Catalog, an_unknown_name_lists_what_there_is) {
  std::string error;
  EXPECT_EQ(make_policy("fairly", 0, &error), nullptr);
  EXPECT_NE(error.find("fairly"), std::string::npos);
  EXPECT_NE(error.find("random"), std::string::npos);
}

TEST(Catalog, a_missing_object_is_an_error_with_its_path) {
  std::string error;
  EXPECT_EQ(make_policy("./no-such-policy.so", 0, &error), nullptr);
  EXPECT_NE(error.find("./no-such-policy.so"), std::string::npos);
}

TEST(Catalog, an_object_without_the_entry_is_an_error) {
  std::string error;
  EXPECT_EQ(make_policy(REPRISE_NOT_A_POLICY, 0, &error), nullptr);
  EXPECT_NE(error.find("reprise_make_policy"), std::string::npos) << error;
}

TEST(Catalog, a_policy_built_outside_the_tree_is_loaded_by_path) {
  std::string error;
  auto last_in_first_out = make_policy(REPRISE_USER_POLICY, 0, &error);
  ASSERT_NE(last_in_first_out, nullptr) << error;
  ToyProgram toy{.workers = 3, .steps_each = 2};
  EXPECT_EQ(toy.run(*last_in_first_out), (std::vector<size_t>{2, 2, 1, 1, 0, 0}));
}

// The decision is over 8 candidates, 80,000 times: each count is binomial with mean 10,000 and
// standard deviation 93.5. A correct policy leaves 10,000 +- 600 (6.4 sigma) with probability below
// 8 * 2e-10; the seed is fixed, so the outcome is too.
TEST(Random, is_uniform_among_candidates) {
  RandomPolicy policy(1);
  std::vector<Candidate> candidates(8);
  std::map<size_t, int> counts;
  for (int i = 0; i < 80000; ++i)
    ++counts[policy.choose({DecisionKind::run, {}, 0, 0, candidates})];
  ASSERT_EQ(counts.size(), 8u);
  for (const auto& [index, count] : counts) EXPECT_NEAR(count, 10000, 600) << index;
}

// 2 workers of 3 steps: 20 interleavings, the rarest with probability at least 2^-10. 20,000 runs
// miss one of them with probability below 20 * (1 - 2^-10)^20000 < 1e-7.
TEST(Random, reaches_every_interleaving) {
  RandomPolicy policy(5);
  ToyProgram toy{.workers = 2, .steps_each = 3};
  std::set<std::vector<size_t>> seen;
  for (uint64_t run = 0; run < 20000; ++run) seen.insert(toy.run(policy, {5, run}));
  EXPECT_EQ(seen.size(), 20u);
}

// Who goes next is uniform at each of two workers' four steps: an order in which one ends first has probability 1/4, each
// of the four others 1/8. 16,000 runs: means 4,000 and 2,000, deviations 55 and 42; one of six off by
// more than 350 or 270 (6.4 deviations) has probability below 6 * 2e-10. The seed is fixed, and so is the outcome.
TEST(Walk, is_uniform_among_all_that_could_go_on_at_every_step) {
  WalkPolicy policy(3);
  ToyProgram toy{.workers = 2, .steps_each = 2};
  std::map<std::vector<size_t>, int> counts;
  for (uint64_t run = 0; run < 16000; ++run) ++counts[toy.run(policy, {3, run})];
  ASSERT_EQ(counts.size(), 6u);
  for (const auto& [order, count] : counts) {
    const bool one_first = order[0] == order[1];
    EXPECT_NEAR(count, one_first ? 4000 : 2000, one_first ? 350 : 270);
  }
}

TEST(FlatMap, keeps_what_it_was_given_while_it_grows_and_forgets_all_at_once) {
  FlatMap<GoId, uint64_t> map;
  for (int generation = 0; generation < 3; ++generation) {
    for (uint64_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(map.find({0, i * 64}), nullptr) << i;
      EXPECT_EQ(map.at({0, i * 64}), 0u) << i;
      map.at({0, i * 64}) = i + 1;
    }
    for (uint64_t i = 0; i < 1000; ++i) {
      ASSERT_NE(map.find({0, i * 64}), nullptr) << i;
      EXPECT_EQ(*map.find({0, i * 64}), i + 1);
    }
    map.clear();
  }
}

// Reader and writer of one object and a third party, of which each operation is at a site of its own. Returns who
// went when.
std::vector<GoId> greybox_choices(Site moved_by) {
  GreyboxPolicy policy(9);
  std::vector<GoId> all;
  for (uint64_t run = 0; run < 50; ++run) {
    policy.begin_run({9, run});
    const Access write{{5, 0}, true}, read{{5, 0}, false}, apart{{6, 0}, true};
    struct Step { GoId who; OpKind op; Site site; Access access; };
    std::vector<std::vector<Step>> left = {
        {{{1, 1}, OpKind::memory_write, 70, write}, {{1, 1}, OpKind::memory_write, 30, write}},
        {{{1, 2}, OpKind::memory_read, 50, read}, {{1, 2}, OpKind::memory_write, 10, write}},
        {{{1, 3}, OpKind::memory_read, 90, read}, {{1, 3}, OpKind::lock, 20, apart}}};
    for (uint64_t step = 0; !left.empty(); ++step) {
      std::vector<Candidate> ready;
      for (auto& steps : left) {
        const Step& next = steps.front();
        ready.push_back({next.who, next.who.lo, step, next.op, next.site ^ moved_by, {&next.access, 1}});
      }
      const size_t chosen = ready.size() > 1 ? policy.choose({DecisionKind::run, {}, step, 0, ready}) : 0;
      all.push_back(ready[chosen].goroutine);
      left[chosen].erase(left[chosen].begin());
      if (left[chosen].empty()) left.erase(left.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
    policy.end_run({});
  }
  return all;
}

TEST(Portfolio, wants_events_in_the_turns_of_those_who_learn_from_them) {
  PortfolioPolicy policy(1);
  policy.begin_run({1, 0});  // pos
  EXPECT_FALSE(policy.wants_events());
  policy.begin_run({1, 1});  // surw
  EXPECT_TRUE(policy.wants_events());
}

TEST(Greybox, chooses_alike_wherever_the_compiler_has_put_the_code) {
  const auto here = greybox_choices(0);
  for (const Site moved_by : {Site{0x7000}, Site{0x7f}, Site{0x55}, Site{0x3ff0'0055}}) {
    EXPECT_EQ(greybox_choices(moved_by), here) << moved_by;
  }
}

TEST(Fair, runs_first_in_first_out) {
  FairPolicy policy(1);
  std::vector<Candidate> candidates(3);
  candidates[0].ready_step = 9;
  candidates[1].ready_step = 4;
  candidates[2].ready_step = 4;
  const Decision decision{DecisionKind::run, {}, 0, 0, candidates};
  EXPECT_EQ(resolved(decision, policy.choose(decision)), 1u);
}

// 10,000 draws miss one of the lengths with probability below 128 * (127/128)^10000 < 1e-31.
TEST(Fair, a_slice_can_end_after_any_number_of_ticks) {
  FairPolicy policy(1);
  std::set<uint64_t> lengths;
  for (int i = 0; i < 10000; ++i) lengths.insert(policy.draw({DecisionKind::preempt, {}, 0, 0, {}}));
  EXPECT_EQ(lengths.size(), FairPolicy::kMaxTicks);
  EXPECT_EQ(*lengths.begin(), 1u);
  EXPECT_EQ(*lengths.rbegin(), FairPolicy::kMaxTicks);
}

// Depth 1: the last of 3 workers ends before the first begins if its priority is the highest or the
// lowest two are in order: at least 1/3. 3,000 runs have mean >= 1,000 and deviation < 26; fewer than
// 800 have probability below 1e-13 for a correct policy.
TEST(Pct, keeps_its_bound_at_depth_one) {
  PctPolicy policy(11, 1);
  ToyProgram toy{.workers = 3, .steps_each = 50};
  int found = 0;
  for (uint64_t run = 0; run < 3000; ++run) {
    const auto trace = toy.run(policy, {11, run});
    const auto first = std::find(trace.begin(), trace.end(), 0u);
    found += std::find(first, trace.end(), 2u) == trace.end();
  }
  EXPECT_GE(found, 800);
}

// Depth 2: worker 1 runs whole between two given neighbouring steps of worker 0. The bound is
// 1/(n k) = 1/40 for 2 workers and 20 steps in all; 20,000 runs have mean >= 500 and deviation < 23, and
// fewer than 350 have probability below 1e-10. Under `random` it is about 2^-11.
TEST(Pct, keeps_its_bound_at_depth_two) {
  PctPolicy policy(12, 2);
  ToyProgram toy{.workers = 2, .steps_each = 10};
  std::vector<size_t> wanted(20, 0);
  std::fill(wanted.begin() + 4, wanted.begin() + 14, 1);
  int found = 0;
  for (uint64_t run = 0; run < 20000; ++run) found += toy.run(policy, {12, run, 20}) == wanted;
  EXPECT_GE(found, 350);
}

TEST(Pct, sweeps_the_depth_and_changes_leaders_no_more_often) {
  PctPolicy policy(0);
  ToyProgram toy{.workers = 2, .steps_each = 40};
  std::set<size_t> switches_seen;
  for (uint64_t run = 0; run < 500; ++run) {
    const auto trace = toy.run(policy, {0, run, 80});
    size_t switches = 0;
    for (size_t i = 1; i < trace.size(); ++i) switches += trace[i] != trace[i - 1];
    const size_t depth = 1 + run % PctPolicy::kMaxDepth;
    EXPECT_LE(switches, depth) << run;  // depth - 1 changes, and one where the first worker ends
    switches_seen.insert(switches);
  }
  EXPECT_EQ(switches_seen.size(), PctPolicy::kMaxDepth);
}

// Two goroutines ready for one object, a third for another. When one of the two has run the other
// draws anew and the third keeps its priority, so between the other's new draw and the third the
// order is no longer what it was in half of the cases in which it had been lower.
TEST(Pos, redraws_the_priority_of_conflicting_operations_only) {
  const Access x{{1, 0}, true}, x_read{{1, 0}, false}, y{{2, 0}, true};
  const auto candidate = [](uint64_t id, const Access& access) {
    return Candidate{.goroutine = {1, id}, .goid = id, .accesses = {&access, 1}};
  };
  int overtaken_with_conflict = 0, overtaken_without = 0;
  for (uint64_t run = 0; run < 4000; ++run) {
    for (const bool conflicting : {true, false}) {
      PosPolicy policy(7);
      policy.begin_run({7, run});
      // What the order of b and c is before a runs is seen by a policy that is asked only for those.
      const Access& b_access = conflicting ? x_read : y;
      const std::vector<Candidate> all = {candidate(1, x), candidate(2, b_access), candidate(3, y)};
      const size_t first = policy.choose({DecisionKind::run, {}, 0, 0, all});
      if (first != 0) continue;
      PosPolicy same(7);
      same.begin_run({7, run});
      const std::vector<Candidate> independent = {candidate(1, x_read), candidate(2, x_read),
                                                  candidate(3, x_read)};
      ASSERT_EQ(same.choose({DecisionKind::run, {}, 0, 0, independent}), 0u);
      const std::vector<Candidate> rest = {all[1], all[2]}, kept = {independent[1], independent[2]};
      const bool overtaken = policy.choose({DecisionKind::run, {}, 1, 0, rest}) !=
                             same.choose({DecisionKind::run, {}, 1, 0, kept});
      (conflicting ? overtaken_with_conflict : overtaken_without) += overtaken;
    }
  }
  EXPECT_EQ(overtaken_without, 0);
  EXPECT_GT(overtaken_with_conflict, 300);  // about 1,333 runs, of which a third to a half
}

TEST(Pos, reaches_every_interleaving) {
  PosPolicy policy(5);
  ToyProgram toy{.workers = 2, .steps_each = 3};
  std::set<std::vector<size_t>> seen;
  for (uint64_t run = 0; run < 20000; ++run) seen.insert(toy.run(policy, {5, run}));
  EXPECT_EQ(seen.size(), 20u);
}

size_t switches_in(const std::vector<size_t>& trace) {
  size_t switches = 0;
  for (size_t i = 1; i < trace.size(); ++i) switches += trace[i] != trace[i - 1];
  return switches;
}

TEST(Preemption, switches_no_more_often_than_its_bound) {
  PreemptionBoundedPolicy policy(0);
  ToyProgram toy{.workers = 2, .steps_each = 40};
  std::set<size_t> seen;
  for (uint64_t run = 0; run < 500; ++run) {
    const size_t switches = switches_in(toy.run(policy, {0, run, 80}));
    // The preemptions, and one switch where the first worker ends.
    EXPECT_LE(switches, run % (kMaxPreemptions + 1) + 1) << run;
    seen.insert(switches);
  }
  EXPECT_EQ(seen.size(), kMaxPreemptions + 1);
}

TEST(Delay, without_delays_runs_one_worker_after_the_other) {
  DelayBoundedPolicy policy(0);
  ToyProgram toy{.workers = 3, .steps_each = 2};
  EXPECT_EQ(toy.run(policy, {0, 0}), (std::vector<size_t>{0, 0, 1, 1, 2, 2}));
}

TEST(Delay, switches_no_more_often_than_its_bound) {
  DelayBoundedPolicy policy(0);
  ToyProgram toy{.workers = 2, .steps_each = 40};
  std::set<size_t> seen;
  for (uint64_t run = 0; run < 500; ++run) {
    const size_t switches = switches_in(toy.run(policy, {0, run, 80}));
    EXPECT_LE(switches, run % (kMaxDelays + 1) + 1) << run;
    seen.insert(switches);
  }
  EXPECT_GT(seen.size(), 2u);
}

TEST(FairSuffix, asks_its_inner_policy_up_to_the_step_and_not_after) {
  FairSuffixPolicy policy(std::make_unique<PctPolicy>(1), 10);
  policy.begin_run({1, 0});
  std::vector<Candidate> candidates(3);
  for (size_t i = 0; i < 3; ++i) candidates[i].goroutine = {1, i};
  EXPECT_LT(policy.choose({DecisionKind::run, {}, 9, 0, candidates}), 3u);
  EXPECT_EQ(policy.choose({DecisionKind::run, {}, 10, 0, candidates}), Policy::kDefault);
  EXPECT_EQ(policy.draw({DecisionKind::preempt, {}, 10, 0, {}}), 1u);
}

Operation write_of(uint64_t object) {
  Operation operation{OpKind::memory_write, 1, {}};
  operation.accesses[0] = {{object, 0}, true};
  return operation;
}

TEST(HappensBefore, conflicting_operations_with_nothing_in_between_race) {
  const GoId a{1, 1}, b{1, 2};
  HappensBefore order;
  order.begin(a, write_of(7), 0);
  order.begin(b, write_of(8), 1);
  order.begin(b, write_of(7), 2);
  const auto races = order.races();
  ASSERT_EQ(races.size(), 1u);
  EXPECT_EQ(races[0].node, 0u);
  EXPECT_EQ(races[0].preferred, b);
  EXPECT_EQ(races[0].initials, std::vector<GoId>{b});
}

TEST(HappensBefore, what_a_third_operation_orders_does_not_race) {
  const GoId a{1, 1}, b{1, 2};
  HappensBefore order;
  order.begin(a, write_of(7), 0);
  order.begin(a, write_of(8), 1);
  order.begin(b, write_of(8), 2);
  order.begin(b, write_of(7), 3);
  ASSERT_EQ(order.races().size(), 1u);
  EXPECT_EQ(order.races()[0].node, 1u);
}

TEST(HappensBefore, who_is_started_by_an_operation_does_not_race_with_it) {
  const GoId a{1, 1}, b{1, 2};
  HappensBefore order;
  order.begin(a, write_of(7), 0);
  order.enables(b);
  order.begin(b, write_of(7), 1);
  EXPECT_TRUE(order.races().empty());
}

TEST(DefaultChoice, codes_round_trip_for_every_candidate) {
  std::vector<Candidate> candidates(4);
  for (size_t i = 0; i < 4; ++i) candidates[i].ready_step = i == 2 ? 0 : 10 - i;
  const Decision decision{DecisionKind::run, {}, 0, 0, candidates};
  EXPECT_EQ(encode_choice(decision, 2), 0);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(resolved(decision, decode_choice(decision, encode_choice(decision, i))), i);
  }
  for (const int64_t bad : {int64_t{-1}, int64_t{5}, INT64_MAX, INT64_MIN})
    EXPECT_EQ(decode_choice(decision, bad), 4u) << bad;
}

TEST(DefaultChoice, no_more_is_the_last_resort) {
  std::vector<Candidate> candidates(2);
  candidates[0].ready_step = 100;
  candidates[1].op = OpKind::stop;  // the last of all by contract, and here the oldest
  EXPECT_EQ(default_choice({DecisionKind::poll, {}, 0, 0, candidates}), 0u);
}

}  // namespace
}  // namespace reprise::seam
