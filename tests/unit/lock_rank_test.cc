// The order of locks as lock_ranks.def gives it, and what a thread holds.
#include "runtime/sched/lock_rank.h"

#include <gtest/gtest.h>

#include <string>

namespace reprise::rt {
namespace {

LockRank rank(size_t i) { return static_cast<LockRank>(i); }

TEST(LockRank, every_order_of_the_file_is_allowed_and_its_reverse_is_not) {
#define REPRISE_LOCK(name, guards)
#define REPRISE_PEERS(name) EXPECT_TRUE(may_take(LockRank::name, LockRank::name));
#define REPRISE_ORDER(outer, inner)                       \
  EXPECT_TRUE(may_take(LockRank::outer, LockRank::inner)); \
  EXPECT_FALSE(may_take(LockRank::inner, LockRank::outer));
#include "runtime/sched/lock_ranks.def"
#undef REPRISE_LOCK
#undef REPRISE_PEERS
#undef REPRISE_ORDER
}

TEST(LockRank, order_is_transitive_and_never_goes_both_ways) {
  for (size_t a = 0; a < kLockRanks; ++a) {
    for (size_t b = 0; b < kLockRanks; ++b) {
      const bool both_ways = may_take(rank(a), rank(b)) && may_take(rank(b), rank(a));
      EXPECT_TRUE(a == b || !both_ways);
      for (size_t c = 0; c < kLockRanks; ++c) {
        if (may_take(rank(a), rank(b)) && may_take(rank(b), rank(c))) {
          EXPECT_TRUE(may_take(rank(a), rank(c)))
              << lock_rank_name(rank(a)) << " " << lock_rank_name(rank(b)) << " "
              << lock_rank_name(rank(c));
        }
      }
    }
  }
}

TEST(LockRank, nothing_is_taken_under_a_leaf) {
  for (size_t i = 0; i < kLockRanks; ++i) EXPECT_FALSE(may_take(LockRank::leaf, rank(i)));
}

TEST(LockRank, violation_names_both_locks) {
  EXPECT_EQ(lock_order_violation(LockRank::chan, LockRank::timers),
            "lock rank order violated: takes timers while holding chan");
}

TEST(HeldLocks, any_lock_that_is_held_may_forbid_not_only_the_last) {
  HeldLocks held;
  held.add(LockRank::sched);
  held.add(LockRank::leaf);
  ASSERT_TRUE(held.remove(LockRank::leaf));
  EXPECT_EQ(held.forbids(LockRank::leaf), std::nullopt);
  EXPECT_EQ(held.forbids(LockRank::chan), LockRank::sched);
}

TEST(HeldLocks, very_many_channels_may_be_held_but_no_two_of_another_rank) {
  HeldLocks held;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(held.forbids(LockRank::chan), std::nullopt);
    held.add(LockRank::chan);
  }
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(held.remove(LockRank::chan));
  EXPECT_TRUE(held.none());
  HeldLocks other;
  other.add(LockRank::sched);
  EXPECT_EQ(other.forbids(LockRank::sched), LockRank::sched);
}

TEST(HeldLocks, what_is_not_held_cannot_be_released) {
  HeldLocks held;
  held.add(LockRank::chan);
  EXPECT_FALSE(held.remove(LockRank::timers));
  EXPECT_TRUE(held.remove(LockRank::chan));
  EXPECT_FALSE(held.remove(LockRank::chan));
  EXPECT_TRUE(held.none());
}

}  // namespace
}  // namespace reprise::rt
