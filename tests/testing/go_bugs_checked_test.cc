// The Go-like bugs in the checked flavour, where every access to shared memory is a scheduling point and a race is a
// failure: each is still found, and no twin has a race or any other failure.
#include <gtest/gtest.h>
#include <reprise/explore.h>

#include <string>

#include "corpus/programs/go_bugs/bugs.h"
#include "tests/support/print_corpus.h"

namespace reprise {
namespace {

ExploreOptions options_for(const go_bugs::Bug& bug, uint64_t schedules) {
  ExploreOptions options;
  options.schedules = schedules;
  options.max_steps = 100'000;
  options.trace = false;
  options.name = std::string("go_bug_checked_") + bug.name;
  return options;
}

class GoBugsChecked : public ::testing::TestWithParam<go_bugs::Bug> {};

TEST_P(GoBugsChecked, portfolio_finds_the_bug_and_confirms_it) {
  const ExploreOptions options = options_for(GetParam(), 5000);
  const Exploration found = explore(options, [] { GetParam().run(false); });
  ASSERT_TRUE(found.failure);
  EXPECT_TRUE(found.failure->confirmed) << describe(options, found);
}

TEST_P(GoBugsChecked, the_twin_is_clean_and_has_no_race) {
  const ExploreOptions options = options_for(GetParam(), 1000);
  const Exploration result = explore(options, [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe(options, result);
}

INSTANTIATE_TEST_SUITE_P(corpus, GoBugsChecked, ::testing::ValuesIn(go_bugs::all()),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace reprise
