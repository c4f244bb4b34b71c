// Policies come from the catalog, as in a controlled run, but are installed in this process.
#include "tests/support/schedules.h"

#include <gtest/gtest.h>
#include <reprise/go.h>

#include <memory>
#include <string>

#include "runtime/sched/seam.h"
#include "runtime/seam/catalog.h"
#include "runtime/time/clock.h"

namespace reprise::test {

namespace {

constexpr int kFairSeeds = 3;
constexpr int kPatience = 1'000'000;

void under_policy(const char* name, int seed, const std::function<void()>& body) {
  SCOPED_TRACE(std::string(name) + ", seed " + std::to_string(seed));
  std::string error;
  const auto policy = seam::make_policy(name, static_cast<uint64_t>(seed), &error);
  ASSERT_NE(policy, nullptr) << error;
  ASSERT_TRUE(policy->begin_run({static_cast<uint64_t>(seed), 0}));
  rt::seam_set_policy_for_test(policy.get());
  body();
  expect_alone();
  rt::seam_set_policy_for_test(nullptr);
}

}  // namespace

void under_schedules(int seeds, const std::function<void()>& body) {
  {
    SCOPED_TRACE("no policy");
    body();
    expect_alone();
  }
  for (int seed = 1; seed <= kFairSeeds && !testing::Test::HasFailure(); ++seed) {
    under_policy("fair", seed, body);
  }
  for (int seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    under_policy("random", seed, body);
  }
}

void expect_alone() {
  for (int i = 0; i < kPatience && num_goroutine() > 1; ++i) yield();
  ASSERT_EQ(num_goroutine(), 1u) << "goroutines left behind";
}

VirtualTime::VirtualTime() { rt::clock_use(rt::ClockKind::simulated); }
VirtualTime::~VirtualTime() { rt::clock_use(rt::ClockKind::real); }

}  // namespace reprise::test
