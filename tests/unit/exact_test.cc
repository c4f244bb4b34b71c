// How a policy's bits become the distance to a preemption.
#include "runtime/sched/exact.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "runtime/seam/policy.h"

namespace reprise::rt {
namespace {

TEST(DistanceOf, unbounded_leaves_it_to_time) {
  EXPECT_EQ(distance_of(seam::Policy::kUnbounded).ticks, 0u);
}

TEST(DistanceOf, any_bits_are_at_least_a_tick_and_few_steps) {
  std::mt19937_64 bits(1);
  for (int i = 0; i < 100000; ++i) {
    const auto distance = distance_of(bits());
    EXPECT_GE(distance.ticks, 1u);
    EXPECT_LT(distance.ticks, uint64_t{1} << 21);
    EXPECT_LT(distance.steps, 64u);
  }
}

// Misses with a probability below 10^-9: each scale is met by 1 in 21, or 1 in 7, of 2,000.
TEST(DistanceOf, every_scale_of_ticks_and_steps_is_met) {
  std::mt19937_64 bits(2);
  std::array<int, 22> ticks{};
  std::array<int, 8> steps{};
  for (int i = 0; i < 2000; ++i) {
    const auto distance = distance_of(bits());
    ++ticks[static_cast<size_t>(64 - __builtin_clzll(distance.ticks))];
    ++steps[distance.steps == 0 ? 0 : static_cast<size_t>(32 - __builtin_clz(distance.steps))];
  }
  for (size_t scale = 1; scale <= 21; ++scale) EXPECT_GT(ticks[scale], 0) << scale;
  for (size_t scale = 0; scale <= 6; ++scale) EXPECT_GT(steps[scale], 0) << scale;
}

}  // namespace
}  // namespace reprise::rt
