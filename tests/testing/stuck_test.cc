// Goroutines that can never run again are reported while others go on; those that can be woken never are, however well the address
// of what they wait for is hidden.
#include <gtest/gtest.h>
#include <reprise/explore.h>

#include <ostream>
#include <vector>

#include "tests/support/stuck_cases.h"

namespace stuck_cases {

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

namespace {

using reprise::Exploration;
using reprise::FailureKind;

reprise::ExploreOptions options_of(const Case& c) {
  reprise::ExploreOptions options;
  options.policy = "random";
  options.schedules = 3;
  options.max_steps = 1'000'000;
  options.name = c.name;
  return options;
}

std::vector<Case> of_kind(Kind kind) {
  std::vector<Case> cases;
  for (const Case& c : all())
    if (c.kind == kind) cases.push_back(c);
  return cases;
}

class Stuck : public testing::TestWithParam<Case> {};
class StuckOnLocks : public testing::TestWithParam<Case> {};
class NotStuck : public testing::TestWithParam<Case> {};

TEST_P(Stuck, goroutines_are_reported_while_others_go_on) {
  const auto options = options_of(GetParam());
  const Exploration found = explore(options, GetParam().body);
  ASSERT_TRUE(found.failure);
  EXPECT_EQ(found.failure->kind, FailureKind::deadlock) << describe(options, found);
  EXPECT_EQ(found.failure->message, "goroutines can never run again - deadlock!") << describe(options, found);
  EXPECT_TRUE(found.failure->confirmed) << describe(options, found);
  EXPECT_NE(found.failure->trace, "") << describe(options, found);
}

// Where malloc is libc's nobody knows what belongs together, so they are seen when all others have ended.
TEST_P(StuckOnLocks, goroutines_are_reported_at_the_end) {
  const auto options = options_of(GetParam());
  const Exploration found = explore(options, GetParam().body);
  ASSERT_TRUE(found.failure);
  EXPECT_EQ(found.failure->kind, FailureKind::leak) << describe(options, found);
}

TEST_P(NotStuck, goroutines_go_on_when_they_are_woken) {
  const auto options = options_of(GetParam());
  const Exploration result = explore(options, GetParam().body);
  EXPECT_FALSE(result.failure) << describe(options, result);
}

const auto kName = [](const testing::TestParamInfo<Case>& info) { return std::string(info.param.name); };

INSTANTIATE_TEST_SUITE_P(cases, Stuck, testing::ValuesIn(of_kind(Kind::stuck)), kName);
INSTANTIATE_TEST_SUITE_P(cases, StuckOnLocks, testing::ValuesIn(of_kind(Kind::stuck_on_locks)), kName);
INSTANTIATE_TEST_SUITE_P(cases, NotStuck, testing::ValuesIn(of_kind(Kind::alive)), kName);

}  // namespace
}  // namespace stuck_cases
