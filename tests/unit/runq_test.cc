// Run queues: arrival order through the ring and its overflow.
#include <gtest/gtest.h>

#include <vector>

#include "runtime/sched/sched.h"

namespace reprise::rt {
namespace {

class Runq : public testing::Test {
 protected:
  // The queue of a P of the test's own; the global queue is the scheduler's, and empty meanwhile.
  P pp_;
  std::vector<G> goroutines_ = std::vector<G>(1000);

  void put(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) runqput(&pp_, &goroutines_[i]);
  }
  void expect_next(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) ASSERT_EQ(runqget(&pp_), &goroutines_[i]) << i;
  }
};

TEST_F(Runq, empty_queue_gives_null) {
  EXPECT_TRUE(runqempty(&pp_));
  EXPECT_EQ(runqget(&pp_), nullptr);
}

TEST_F(Runq, first_in_first_out_within_the_ring) {
  put(0, kRunqSize);
  expect_next(0, kRunqSize);
  EXPECT_TRUE(runqempty(&pp_));
}

TEST_F(Runq, the_overflow_keeps_the_order) {
  put(0, 1000);
  EXPECT_FALSE(runqempty(&pp_));
  expect_next(0, 1000);
  EXPECT_TRUE(runqempty(&pp_));
}

TEST_F(Runq, newcomers_do_not_overtake_the_overflow) {
  put(0, kRunqSize + 10);
  expect_next(0, 100);
  put(kRunqSize + 10, kRunqSize + 50);
  expect_next(100, kRunqSize + 50);
}

TEST_F(Runq, the_ring_wraps) {
  for (size_t i = 0; i + 100 <= 1000; i += 100) {
    put(i, i + 100);
    expect_next(i, i + 100);
  }
}

TEST(GQueue, pops_what_was_pushed_in_order) {
  std::vector<G> goroutines(3);
  GQueue queue;
  EXPECT_EQ(queue.pop(), nullptr);
  for (G& g : goroutines) queue.push(&g);
  for (G& g : goroutines) EXPECT_EQ(queue.pop(), &g);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace reprise::rt
