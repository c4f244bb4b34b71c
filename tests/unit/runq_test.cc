// Run queues: order through ring, runnext and overflow, stealing; and thieves on real threads. What
// weak memory may do to them is explored in tests/model.
#include "runtime/sched/runq.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "runtime/sched/sched.h"

namespace reprise::rt {
namespace {

constexpr uint32_t kSmallRing = 8;

struct SmallP {
  std::atomic<uint32_t> runqhead{0};
  std::atomic<uint32_t> runqtail{0};
  std::atomic<G*> runq[kSmallRing] = {};
  std::atomic<G*> runnext{nullptr};
};

// A scheduler of the test's own around the queues.
struct SmallSched {
  Lock lock{LockRank::sched};
  GQueue global;
  std::atomic<uint64_t> global_size{0};
  int32_t gomaxprocs = 2;
  int graces = 0;
  void runnext_grace(const SmallP*) { ++graces; }
};

class Runq : public testing::Test {
 protected:
  SmallSched sched_;
  SmallP pp_;
  SmallP other_;
  std::vector<G> goroutines_ = std::vector<G>(100);

  G* g(size_t i) { return &goroutines_[i]; }
  // The number of a goroutine of ours, -1 for null.
  long number(const G* gp) { return gp == nullptr ? -1 : gp - goroutines_.data(); }
  void put(size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) runqput(sched_, &pp_, g(i), false);
  }
  void place_indices(uint32_t at) {
    pp_.runqhead.store(at);
    pp_.runqtail.store(at);
  }
  std::vector<long> drain(SmallP* pp) {
    std::vector<long> numbers;
    while (G* gp = runqget(pp).gp) numbers.push_back(number(gp));
    return numbers;
  }
  std::vector<long> drain_global() {
    std::vector<long> numbers;
    while (G* gp = sched_.global.pop()) numbers.push_back(number(gp));
    return numbers;
  }
};

using Numbers = std::vector<long>;

TEST_F(Runq, empty_queue_gives_null) {
  EXPECT_TRUE(runqempty(&pp_));
  EXPECT_EQ(runqget(&pp_).gp, nullptr);
}

TEST_F(Runq, first_in_first_out_within_the_ring) {
  put(0, kSmallRing);
  EXPECT_FALSE(runqempty(&pp_));
  EXPECT_EQ(drain(&pp_), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_TRUE(runqempty(&pp_));
}

TEST_F(Runq, order_holds_where_the_indices_wrap) {
  place_indices(UINT32_MAX - 2);
  put(0, 6);
  EXPECT_EQ(drain(&pp_), (Numbers{0, 1, 2, 3, 4, 5}));
}

TEST_F(Runq, a_full_ring_gives_its_older_half_and_the_newcomer_to_the_global_queue) {
  place_indices(UINT32_MAX - 3);
  put(0, kSmallRing + 1);
  EXPECT_EQ(sched_.global_size.load(), kSmallRing / 2 + 1);
  EXPECT_EQ(drain_global(), (Numbers{0, 1, 2, 3, 8}));
  EXPECT_EQ(drain(&pp_), (Numbers{4, 5, 6, 7}));
}

TEST_F(Runq, runnext_goes_first_and_inherits_the_slice) {
  put(0, 1);
  runqput(sched_, &pp_, g(1), true);
  const RunqGot<G> first = runqget(&pp_);
  EXPECT_EQ(number(first.gp), 1);
  EXPECT_TRUE(first.inherit_time);
  const RunqGot<G> second = runqget(&pp_);
  EXPECT_EQ(number(second.gp), 0);
  EXPECT_FALSE(second.inherit_time);
}

TEST_F(Runq, what_runnext_displaces_goes_to_the_end) {
  put(0, 1);
  runqput(sched_, &pp_, g(1), true);
  runqput(sched_, &pp_, g(2), true);
  EXPECT_EQ(drain(&pp_), (Numbers{2, 0, 1}));
}

TEST_F(Runq, runnext_alone_is_not_empty) {
  runqput(sched_, &pp_, g(0), true);
  EXPECT_FALSE(runqempty(&pp_));
}

// Whatever is put and taken, the rings of a P alone and of one among others look the same.
TEST_F(Runq, a_P_alone_does_the_same) {
  std::vector<G> twins(goroutines_.size());
  std::mt19937 random(20261129);
  std::vector<size_t> free;
  for (size_t i = 0; i < goroutines_.size(); ++i) free.push_back(i);
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0 && !free.empty()) {
      const size_t i = free.back();
      free.pop_back();
      const bool next = random() % 2 == 0;
      ASSERT_EQ(runqput(sched_, &pp_, g(i), next), runqput(sched_, &other_, &twins[i], next, true));
      std::vector<long> ours, theirs;
      while (G* gp = sched_.global.pop()) {
        const bool is_ours = gp >= goroutines_.data() && gp < goroutines_.data() + goroutines_.size();
        (is_ours ? ours : theirs).push_back(gp - (is_ours ? goroutines_ : twins).data());
      }
      ASSERT_EQ(ours, theirs);
      free.insert(free.end(), ours.begin(), ours.end());
    } else {
      const auto got = runqget(&pp_);
      const auto twin = runqget(&other_, true);
      ASSERT_EQ(number(got.gp), twin.gp == nullptr ? -1 : twin.gp - twins.data());
      ASSERT_EQ(got.inherit_time, twin.inherit_time);
      if (got.gp != nullptr) free.push_back(static_cast<size_t>(number(got.gp)));
    }
  }
}

TEST_F(Runq, a_thief_takes_the_older_half_rounded_up_and_runs_the_last_of_it) {
  put(0, 5);
  EXPECT_EQ(number(runqsteal(sched_, &other_, &pp_, true)), 2);
  EXPECT_EQ(drain(&other_), (Numbers{0, 1}));
  EXPECT_EQ(drain(&pp_), (Numbers{3, 4}));
}

TEST_F(Runq, a_thief_takes_runnext_last_and_only_after_the_grace) {
  runqput(sched_, &pp_, g(0), true);
  EXPECT_EQ(runqsteal(sched_, &other_, &pp_, false), nullptr);
  EXPECT_EQ(sched_.graces, 0);
  EXPECT_EQ(number(runqsteal(sched_, &other_, &pp_, true)), 0);
  EXPECT_EQ(sched_.graces, 1);
  EXPECT_TRUE(runqempty(&pp_));
  EXPECT_TRUE(runqempty(&other_));
}

TEST_F(Runq, stealing_from_an_empty_queue_gives_null) {
  EXPECT_EQ(runqsteal(sched_, &other_, &pp_, true), nullptr);
}

TEST_F(Runq, a_batch_fills_the_ring_and_the_rest_goes_to_the_global_queue) {
  put(0, 6);
  GQueue batch;
  for (size_t i = 10; i < 15; ++i) batch.push(g(i));
  runqputbatch(sched_, &pp_, &batch, 5);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(sched_.global_size.load(), 3u);
  EXPECT_EQ(drain_global(), (Numbers{12, 13, 14}));
  EXPECT_EQ(drain(&pp_), (Numbers{0, 1, 2, 3, 4, 5, 10, 11}));
}

TEST_F(Runq, the_share_of_the_global_queue_is_one_more_than_a_fair_part) {
  for (size_t i = 0; i < 6; ++i) globrunqput(sched_, g(i));
  EXPECT_EQ(number(globrunqget(sched_, &pp_, 0)), 0);
  EXPECT_EQ(drain(&pp_), (Numbers{1, 2, 3}));
  EXPECT_EQ(sched_.global_size.load(), 2u);
}

TEST_F(Runq, the_share_of_the_global_queue_is_bounded) {
  for (size_t i = 0; i < 50; ++i) globrunqput(sched_, g(i));
  EXPECT_EQ(number(globrunqget(sched_, &pp_, 1)), 0);
  EXPECT_TRUE(runqempty(&pp_));
  EXPECT_EQ(number(globrunqget(sched_, &pp_, 0)), 1);  // half a ring, one of which is returned
  EXPECT_EQ(drain(&pp_), (Numbers{2, 3, 4}));
}

// The ring of the real P, one producer that also consumes and two thieves with rings of their own:
// each goroutine comes out once.
TEST(RunqThreads, every_goroutine_is_taken_exactly_once) {
  constexpr size_t kCount = 200000;
  std::vector<G> goroutines(1000);  // reused: put again once taken
  std::vector<std::atomic<uint32_t>> seen(goroutines.size());
  struct RealSched {
    Lock lock{LockRank::sched};
    GQueue global;
    std::atomic<uint64_t> global_size{0};
    int32_t gomaxprocs = 3;
    void runnext_grace(const P*) { std::this_thread::yield(); }
  } real;
  P pp;
  std::atomic<bool> done{false};
  std::atomic<size_t> taken{0};
  const auto take = [&](G* gp) {
    if (gp == nullptr) return;
    seen[static_cast<size_t>(gp - goroutines.data())].fetch_add(1);
    taken.fetch_add(1);
  };
  const auto take_global = [&](P* into) {
    real.lock.lock();
    G* gp = globrunqget(real, into, 0);
    real.lock.unlock();
    take(gp);
  };
  const auto steal = [&] {
    P mine;
    while (!done.load()) {
      take(runqsteal(real, &mine, &pp, true));
      while (G* gp = runqget(&mine).gp) take(gp);
      take_global(&mine);
      while (G* gp = runqget(&mine).gp) take(gp);
      std::this_thread::yield();
    }
  };
  std::thread first(steal);
  std::thread second(steal);
  for (size_t put = 0; put < kCount;) {
    // A goroutine goes round again only when all of its kind have been taken.
    const size_t burst = goroutines.size();
    for (size_t i = 0; i < burst; ++i, ++put) {
      runqput(real, &pp, &goroutines[i], i % 3 == 0);
      if (i % 5 == 0) take(runqget(&pp).gp);
    }
    while (taken.load() != put) {
      if (G* gp = runqget(&pp).gp) {
        take(gp);
      } else {
        take_global(&pp);
        std::this_thread::yield();
      }
    }
  }
  done.store(true);
  first.join();
  second.join();
  for (const auto& count : seen) EXPECT_EQ(count.load(), kCount / goroutines.size());
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
