// The exhaustive policy on programs whose number of behaviours is known, and on the classic kernels.
#include <gtest/gtest.h>
#include <reprise/atomic.h>
#include <reprise/chan.h>
#include <reprise/explore.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/sync.h>

#include <cstdint>
#include <memory>
#include <set>

#include "corpus/programs/kernels/kernels.h"

namespace reprise {
namespace {

ExploreOptions exhaustively(uint64_t most = 200'000) {
  ExploreOptions options;
  options.policy = "exhaustive";
  options.schedules = most;
  options.name = testing::UnitTest::GetInstance()->current_test_info()->name();
  return options;
}

// Each goroutine has a variable of its own: all orders are alike.
TEST(Exhaustive, independent_goroutines_have_one_schedule) {
  const Exploration result = explore(exhaustively(), [] {
    for (int i = 0; i < 4; ++i) {
      go([x = std::make_shared<Atomic<int>>(0)] { x->store(x->load() + 1); });
    }
  });
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.schedules, 1u);
}

// Two goroutines that store to one variable: two orders.
TEST(Exhaustive, two_conflicting_stores_have_two_schedules) {
  const Exploration result = explore(exhaustively(), [] {
    auto x = std::make_shared<Atomic<int>>(0);
    go([x] { x->store(1); });
    go([x] { x->store(2); });
  });
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.schedules, 2u);
}

// Three increments as a load and a store each: every final value is seen by one schedule or another.
TEST(Exhaustive, every_lost_update_is_found) {
  for (const int sum : {1, 2, 3}) {
    const Exploration result = explore(exhaustively(), [sum] {
      auto x = std::make_shared<Atomic<int>>(0);
      auto left = std::make_shared<Atomic<int>>(3);
      for (int i = 0; i < 3; ++i) {
        go([x, left, sum] {
          x->store(x->load() + 1);
          if (left->fetch_sub(1) == 1) expect(x->load() != sum, "that sum");
        });
      }
    });
    EXPECT_TRUE(result.failure) << sum;
  }
}

TEST(Exhaustive, every_ready_case_of_a_select_is_tried) {
  for (const int which : {0, 1}) {
    const Exploration result = explore(exhaustively(), [which] {
      Chan<int> a(1), b(1);
      a.send(0);
      b.send(1);
      select(on_recv(a, [&](auto) { expect(which != 0, "the first"); }),
             on_recv(b, [&](auto) { expect(which != 1, "the second"); }));
    });
    EXPECT_TRUE(result.failure) << which;
  }
}

class ExhaustiveKernels : public testing::TestWithParam<kernels::Kernel> {};

TEST_P(ExhaustiveKernels, the_bug_is_found) {
  const Exploration found = explore(exhaustively(), [] { GetParam().run(false); });
  ASSERT_TRUE(found.failure) << found.schedules;
  EXPECT_TRUE(found.failure->confirmed);
  std::printf("%s: found by schedule %lu\n", GetParam().name, found.schedules);
}

TEST_P(ExhaustiveKernels, the_twin_is_clean_and_all_of_it_was_seen) {
  const Exploration result = explore(exhaustively(), [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe(exhaustively(), result);
  EXPECT_TRUE(result.finished) << result.schedules;
  std::printf("%s: %lu schedules\n", GetParam().name, result.schedules);
}

bool small_enough(const kernels::Kernel& kernel) {
  const std::set<std::string> small = {"account", "bluetooth_driver", "carter01", "deadlock01", "lazy01",
                                       "reorder_3", "twostage"};
  return small.contains(kernel.name);
}

std::vector<kernels::Kernel> small_kernels() {
  std::vector<kernels::Kernel> small;
  for (const auto& kernel : kernels::all()) {
    if (small_enough(kernel)) small.push_back(kernel);
  }
  return small;
}

INSTANTIATE_TEST_SUITE_P(classic, ExhaustiveKernels, testing::ValuesIn(small_kernels()),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace reprise
