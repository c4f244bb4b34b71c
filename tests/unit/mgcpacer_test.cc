// The pacer: its formulas, case by case, and what holds whatever the numbers are.
#include "runtime/gc/mgcpacer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace reprise::rt {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(Workers, quarter_of_the_Ps_marks) {
  for (int32_t procs = 1; procs <= 64; ++procs) {
    const WorkerPlan plan = plan_workers(procs);
    const double all = plan.dedicated + plan.fractional * procs;
    EXPECT_GE(all, 0.25 * procs * 0.7 - 1e-9) << procs;
    EXPECT_LE(all, 0.25 * procs * 1.3 + 1e-9) << procs;
  }
}

TEST(Workers, few_Ps_give_fractions_and_many_give_whole_ones) {
  EXPECT_EQ(plan_workers(1).dedicated, 0);
  EXPECT_DOUBLE_EQ(plan_workers(1).fractional, 0.25);
  EXPECT_EQ(plan_workers(2).dedicated, 0);
  EXPECT_DOUBLE_EQ(plan_workers(2).fractional, 0.25);
  EXPECT_EQ(plan_workers(4).dedicated, 1);
  EXPECT_EQ(plan_workers(4).fractional, 0);
  EXPECT_EQ(plan_workers(8).dedicated, 2);
}

TEST(Pacer, first_goal_is_the_minimum) {
  Pacer pacer;
  EXPECT_EQ(pacer.goal(), kHeapMinimumBytes);
  EXPECT_FALSE(pacer.due(kMiB));
  EXPECT_TRUE(pacer.due(kHeapMinimumBytes));
}

TEST(Pacer, goal_is_what_was_marked_and_as_much_again_at_100_percent) {
  Pacer pacer;
  pacer.begin(50 * kMiB);
  pacer.end(100 * kMiB, 120 * kMiB, 100 * kMiB, 0);
  EXPECT_EQ(pacer.goal(), 200 * kMiB);
  pacer.set_percent(50);
  EXPECT_EQ(pacer.goal(), 150 * kMiB);
}

TEST(Pacer, stacks_and_roots_count_as_what_has_to_be_marked) {
  Pacer pacer;
  pacer.end(100 * kMiB, 100 * kMiB, 120 * kMiB, 20 * kMiB);
  EXPECT_EQ(pacer.goal(), 220 * kMiB);
}

TEST(Pacer, switched_off_is_never_due) {
  Pacer pacer;
  pacer.set_percent(-1);
  EXPECT_EQ(pacer.trigger(), kNoLimit);
  EXPECT_FALSE(pacer.due(INT64_MAX - 1));
}

TEST(Pacer, limit_holds_where_the_percentage_asks_for_more_and_where_it_is_off) {
  Pacer pacer;
  pacer.end(100 * kMiB, 100 * kMiB, 100 * kMiB, 0);
  pacer.set_limit(150 * kMiB);
  EXPECT_EQ(pacer.goal(), 150 * kMiB);
  pacer.set_percent(-1);
  EXPECT_EQ(pacer.goal(), 150 * kMiB);
}

TEST(Pacer, limit_below_what_is_alive_leaves_a_little_room) {
  Pacer pacer;
  pacer.end(100 * kMiB, 100 * kMiB, 100 * kMiB, 0);
  pacer.set_limit(kMiB);
  EXPECT_GT(pacer.goal(), 100 * kMiB);
  EXPECT_LT(pacer.goal(), 101 * kMiB);
}

TEST(Pacer, trigger_leaves_the_room_that_the_last_cycle_used) {
  Pacer slow, fast;
  // Both marked 100 MiB; one mutator allocated 2 MiB meanwhile, the other 20.
  slow.begin(100 * kMiB);
  slow.end(100 * kMiB, 102 * kMiB, 100 * kMiB, 0);
  fast.begin(100 * kMiB);
  fast.end(100 * kMiB, 120 * kMiB, 100 * kMiB, 0);
  EXPECT_EQ(slow.trigger(), 195 * kMiB);
  EXPECT_NEAR(static_cast<double>(fast.trigger()), 180.0 * kMiB, 1000.0);
}

TEST(Pacer, ratio_is_what_is_left_to_mark_over_what_is_left_to_allocate) {
  Pacer pacer;
  pacer.begin(90 * kMiB);
  pacer.end(100 * kMiB, 100 * kMiB, 100 * kMiB, 0);
  pacer.begin(180 * kMiB);
  const AssistRatio ratio = pacer.revise(180 * kMiB, 60 * kMiB);
  EXPECT_DOUBLE_EQ(ratio.work_per_byte, 2.0);  // 40 MiB to mark, 20 to allocate
  EXPECT_DOUBLE_EQ(ratio.bytes_per_work, 0.5);
}

TEST(Pacer, past_the_goal_all_that_is_live_is_to_be_marked_soon) {
  Pacer pacer;
  pacer.end(100 * kMiB, 100 * kMiB, 100 * kMiB, 0);
  pacer.begin(190 * kMiB);
  const AssistRatio before = pacer.revise(195 * kMiB, 90 * kMiB);
  const AssistRatio after = pacer.revise(205 * kMiB, 90 * kMiB);
  EXPECT_GT(after.work_per_byte, before.work_per_byte);
}

TEST(Pacer, trigger_lies_between_what_is_alive_and_the_goal_and_ratios_are_positive) {
  EXPECT_TRUE(rc::check("whatever the cycles were", [] {
    Pacer pacer;
    pacer.set_percent(*rc::gen::inRange(0, 1000));
    if (*rc::gen::arbitrary<bool>()) pacer.set_limit(*rc::gen::inRange<int64_t>(1, int64_t{1} << 40));
    for (int i = 0; i < 5; ++i) {
      const auto live = *rc::gen::inRange<int64_t>(0, int64_t{1} << 40);
      pacer.begin(live);
      const auto more = *rc::gen::inRange<int64_t>(0, int64_t{1} << 30);
      const auto work = *rc::gen::inRange<int64_t>(0, live + 1);
      const AssistRatio ratio = pacer.revise(live + more, work);
      RC_ASSERT(ratio.work_per_byte > 0);
      RC_ASSERT(ratio.bytes_per_work > 0);
      pacer.end(*rc::gen::inRange<int64_t>(0, live + 1), live + more, work, work / 4);
      RC_ASSERT(pacer.trigger() >= pacer.heap_marked());
      RC_ASSERT(pacer.trigger() < pacer.goal());
    }
  }));
}

}  // namespace
}  // namespace reprise::rt
