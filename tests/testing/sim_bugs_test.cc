// The corpus of the simulated world: each bug is found with the faults that it needs, and only with them; each
// twin is clean.
#include <gtest/gtest.h>
#include <reprise/explore.h>

#include <string>

#include "corpus/programs/sim_bugs/sim_bugs.h"
#include "tests/support/print_corpus.h"

namespace reprise {
namespace {

ExploreOptions options_for(const sim_bugs::Bug& bug, const char* faults) {
  ExploreOptions options;
  options.world = "simulated";
  options.faults = faults;
  options.fault_rate = 0.1;
  options.schedules = 2000;
  options.name = std::string("sim_bugs.") + bug.name;
  return options;
}

class SimBugs : public testing::TestWithParam<sim_bugs::Bug> {};

TEST_P(SimBugs, are_found_and_confirmed) {
  const auto result = explore(options_for(GetParam(), GetParam().faults), [] { GetParam().run(false); });
  ASSERT_TRUE(result.failure) << describe({}, result);
  EXPECT_EQ(result.failure->kind, FailureKind::panic) << describe({}, result);
  EXPECT_TRUE(result.failure->confirmed) << describe({}, result);
}

TEST_P(SimBugs, twins_are_clean) {
  const auto result = explore(options_for(GetParam(), GetParam().faults), [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe({}, result);
}

TEST_P(SimBugs, do_not_happen_without_their_faults) {
  if (std::string(GetParam().faults) == "none") GTEST_SKIP() << "a crash is no fault";
  const auto result = explore(options_for(GetParam(), "none"), [] { GetParam().run(false); });
  EXPECT_FALSE(result.failure) << describe({}, result);
}

INSTANTIATE_TEST_SUITE_P(Corpus, SimBugs, testing::ValuesIn(sim_bugs::all().begin(), sim_bugs::all().end()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace reprise
