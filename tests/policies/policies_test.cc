// The built-in policies, against the toy program and on bare decisions.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "runtime/seam/catalog.h"
#include "runtime/seam/default_choice.h"
#include "scheduler-policies/fair.h"
#include "scheduler-policies/random.h"
#include "scheduler-policies/rng.h"
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

TEST(Catalog, a_second_run_of_one_policy_equals_a_fresh_policys_second_run) {
  for (const CatalogEntry& entry : catalog()) {
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

TEST(Fair, runs_first_in_first_out) {
  FairPolicy policy(1);
  std::vector<Candidate> candidates(3);
  candidates[0].ready_step = 9;
  candidates[1].ready_step = 4;
  candidates[2].ready_step = 4;
  EXPECT_EQ(policy.choose({DecisionKind::run, {}, 0, 0, candidates}), 1u);
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

TEST(DefaultChoice, codes_round_trip_for_every_candidate) {
  std::vector<Candidate> candidates(4);
  for (size_t i = 0; i < 4; ++i) candidates[i].ready_step = i == 2 ? 0 : 10 - i;
  const Decision decision{DecisionKind::run, {}, 0, 0, candidates};
  EXPECT_EQ(encode_choice(decision, 2), 0);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(decode_choice(decision, encode_choice(decision, i)), i);
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
