// The rate of faults: as many as asked for, the same ones each time, and nothing else touched.
#include "scheduler-policies/fault_rate.h"

#include <gtest/gtest.h>

#include <vector>

#include "scheduler-policies/fair.h"
#include "scheduler-policies/random.h"

namespace reprise::seam {
namespace {

const std::vector<Candidate> kThree(3);

size_t ask(Policy& policy, DecisionKind kind) {
  return policy.choose({kind, {}, 1, 0, kThree});
}

std::vector<size_t> faults(double rate, uint64_t seed, uint64_t run) {
  FaultRatePolicy policy(std::make_unique<FairPolicy>(1), seed, rate);
  policy.begin_run({seed, run});
  std::vector<size_t> answers;
  for (int i = 0; i < 10'000; ++i) answers.push_back(ask(policy, DecisionKind::fault));
  return answers;
}

TEST(FaultRate, none_at_rate_0_and_all_at_rate_1) {
  for (size_t answer : faults(0, 1, 0)) EXPECT_EQ(answer, Policy::kDefault);
  for (size_t answer : faults(1, 1, 0)) EXPECT_TRUE(answer == 1 || answer == 2);
}

// 10,000 trials at 0.1: outside 850 to 1,150 with a probability below 1e-6; the seed is fixed.
TEST(FaultRate, is_kept_and_both_faults_come) {
  size_t first = 0, second = 0;
  for (size_t answer : faults(0.1, 3, 0)) {
    first += answer == 1;
    second += answer == 2;
  }
  EXPECT_GT(first + second, 850u);
  EXPECT_LT(first + second, 1150u);
  EXPECT_GT(first, 350u);
  EXPECT_GT(second, 350u);
}

TEST(FaultRate, is_a_function_of_seed_and_run) {
  EXPECT_EQ(faults(0.1, 5, 2), faults(0.1, 5, 2));
  EXPECT_NE(faults(0.1, 5, 2), faults(0.1, 5, 3));
  EXPECT_NE(faults(0.1, 5, 2), faults(0.1, 6, 2));
}

TEST(FaultRate, leaves_other_decisions_to_the_inner_policy) {
  RandomPolicy alone(7);
  FaultRatePolicy wrapped(std::make_unique<RandomPolicy>(7), 7, 0.5);
  alone.begin_run({7, 0});
  wrapped.begin_run({7, 0});
  for (int i = 0; i < 100; ++i) {
    ask(wrapped, DecisionKind::fault);
    EXPECT_EQ(ask(wrapped, DecisionKind::run), ask(alone, DecisionKind::run));
  }
}

}  // namespace
}  // namespace reprise::seam
