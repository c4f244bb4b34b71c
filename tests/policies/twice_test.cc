// The decorator that runs twice: silent on a deterministic program, exact about the first difference.
#include "scheduler-policies/twice.h"

#include <gtest/gtest.h>

#include "scheduler-policies/random.h"
#include "tests/policies/toy_program.h"

namespace reprise::seam {
namespace {

struct Checked {
  std::vector<std::string> reports;
  TwicePolicy policy{std::make_unique<RandomPolicy>(11),
                     [this](std::string_view report) { reports.emplace_back(report); }};
};

TEST(Twice, repeats_each_schedule_and_is_silent_when_the_runs_agree) {
  Checked checked;
  ToyProgram toy;
  for (uint64_t pair = 0; pair < 50; ++pair) {
    const auto first = toy.run(checked.policy, {0, pair});
    EXPECT_EQ(first, toy.run(checked.policy, {0, pair}));
  }
  EXPECT_TRUE(checked.reports.empty()) << checked.reports[0];
}

TEST(Twice, names_the_first_decision_with_another_operation) {
  Checked checked;
  ToyProgram toy{.odd_operation_in_run = 1};
  toy.run(checked.policy);
  toy.run(checked.policy);
  ASSERT_EQ(checked.reports.size(), 1u);
  EXPECT_NE(checked.reports[0].find("candidate"), std::string::npos) << checked.reports[0];
  EXPECT_NE(checked.reports[0].find("operation was lock, is unlock"), std::string::npos)
      << checked.reports[0];
}

TEST(Twice, catches_a_run_that_is_shorter) {
  Checked checked;
  ToyProgram toy{.short_worker_in_run = 1};
  toy.run(checked.policy);
  toy.run(checked.policy);
  EXPECT_EQ(checked.reports.size(), 1u);
}

TEST(Twice, catches_a_run_that_is_longer) {
  Checked checked;
  ToyProgram toy{.short_worker_in_run = 0};
  toy.run(checked.policy);
  toy.run(checked.policy);
  EXPECT_EQ(checked.reports.size(), 1u);
}

TEST(Twice, catches_another_exit_status) {
  Checked checked;
  for (const int status : {0, 3}) {
    ASSERT_TRUE(checked.policy.begin_run({}));
    checked.policy.end_run({.exit_status = status});
  }
  ASSERT_EQ(checked.reports.size(), 1u);
  EXPECT_NE(checked.reports[0].find("exit status was 0, is 3"), std::string::npos);
}

TEST(Twice, starts_afresh_after_a_difference) {
  Checked checked;
  ToyProgram toy{.odd_operation_in_run = 1};
  for (int run = 0; run < 6; ++run) toy.run(checked.policy);
  EXPECT_EQ(checked.reports.size(), 1u);
}

}  // namespace
}  // namespace reprise::seam
