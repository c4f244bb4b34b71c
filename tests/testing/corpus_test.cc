// The default policy on the corpus: it finds every bug in few schedules, and every twin is clean. And what a
// policy claims about the schedules that it makes.
#include <gtest/gtest.h>
#include <reprise/atomic.h>
#include <reprise/explore.h>
#include <reprise/go.h>
#include <sys/mman.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernels.h"
#include "tests/support/print_corpus.h"

namespace reprise {
namespace {

constexpr uint64_t kTwinSchedules = 10'000;

ExploreOptions by_default(uint64_t schedules, uint64_t seed = 1) {
  ExploreOptions options;
  options.schedules = schedules;
  options.seed = seed;
  options.confirm = false;
  options.name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  return options;
}

class Kernels : public ::testing::TestWithParam<kernels::Kernel> {};

// No policy looks at addresses, so another build draws the same. Of 100 seeds the worst needs 45 schedules, and 167
// of bluetooth_driver (tools/bench/schedules_to_failure.cc counts).
TEST_P(Kernels, portfolio_finds_the_bug_in_few_schedules_with_every_seed) {
  const uint64_t most = std::string(GetParam().name) == "bluetooth_driver" ? 600 : 100;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_TRUE(explore(by_default(most, seed), [] { GetParam().run(false); }).failure) << seed;
  }
}

TEST_P(Kernels, the_twin_is_clean) {
  ExploreOptions options = by_default(kTwinSchedules);
  options.confirm = true;
  const Exploration result = explore(options, [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe(options, result);
}

INSTANTIATE_TEST_SUITE_P(classic, Kernels, ::testing::ValuesIn(kernels::all()),
                         [](const auto& param) { return std::string(param.param.name); });

class GoBugs : public ::testing::TestWithParam<go_bugs::Bug> {};

TEST_P(GoBugs, portfolio_finds_the_bug_and_confirms_it) {
  ExploreOptions options = by_default(5000);
  options.confirm = true;
  options.name = std::string("go_bug_") + GetParam().name;
  const Exploration found = explore(options, [] { GetParam().run(false); });
  ASSERT_TRUE(found.failure);
  EXPECT_TRUE(found.failure->confirmed) << describe(options, found);
}

TEST_P(GoBugs, the_twin_is_clean) {
  ExploreOptions options = by_default(kTwinSchedules);
  options.confirm = true;
  const Exploration result = explore(options, [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe(options, result);
}

INSTANTIATE_TEST_SUITE_P(corpus, GoBugs, ::testing::ValuesIn(go_bugs::all()),
                         [](const auto& param) { return std::string(param.param.name); });

// Counters that a child leaves to its parent.
class SharedCounts {
 public:
  static constexpr size_t kSize = 64;
  SharedCounts()
      : at_(static_cast<uint64_t*>(mmap(nullptr, kSize * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedCounts() { munmap(at_, kSize * sizeof(uint64_t)); }
  SharedCounts(const SharedCounts&) = delete;
  SharedCounts& operator=(const SharedCounts&) = delete;
  uint64_t& operator[](size_t i) { return at_[i]; }

 private:
  uint64_t* at_;
};

// Two goroutines of three stores to one variable have 20 interleavings, and surw makes all alike once it knows
// the counts. In 20,000 runs each is seen 1,000 times on average with a deviation of 31: one of 20 lies outside
// 1,000 +- 200 (6.4 deviations) with probability below 20 * 2e-10. The seed is fixed, and so is the outcome.
TEST(Surw, is_uniform_over_the_interleavings_of_one_object) {
  SharedCounts counts;
  ExploreOptions options = by_default(20'001);
  options.policy = "surw";
  const Exploration result = explore(options, [&] {
    struct Run {
      Atomic<int> cell{0};
      unsigned order = 0, stores = 0;
    };
    const auto run = std::make_shared<Run>();
    for (unsigned who = 0; who < 2; ++who) {
      go([run, who, &counts] {
        for (int i = 0; i < 3; ++i) {
          run->cell.store(1);
          run->order |= who << run->stores;
          if (++run->stores == 6) ++counts[run->order];
        }
      });
    }
  });
  EXPECT_FALSE(result.failure) << describe(options, result);
  size_t seen = 0;
  for (size_t order = 0; order < SharedCounts::kSize; ++order) {
    if (counts[order] == 0) continue;
    ++seen;
    EXPECT_NEAR(static_cast<double>(counts[order]), 1000, 200) << order;
  }
  EXPECT_EQ(seen, 20u);
}

}  // namespace
}  // namespace reprise
