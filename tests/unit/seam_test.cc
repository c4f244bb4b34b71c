// The seam's runtime side, under policies that write down what they are asked.
#include "runtime/sched/seam.h"

#include <gtest/gtest.h>
#include <reprise/go.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "asm/asm.h"
#include "runtime/mem/mallocgc.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/ready_set.h"

namespace reprise::rt {
namespace {

struct Asked {
  seam::DecisionKind kind;
  uint64_t step;
  std::vector<uint64_t> goids;
  std::vector<seam::OpKind> ops;
};

// Answers as the test says, and remembers the questions.
class Scripted : public seam::Policy {
 public:
  std::function<size_t(const seam::Decision&)> on_choose = [](const seam::Decision&) { return 0; };
  uint64_t ticks = kUnbounded;
  bool events_wanted = false;
  std::vector<Asked> asked;
  std::vector<seam::Event> events;
  bool on_g0 = true;

  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& decision) override {
    remember(decision);
    return on_choose(decision);
  }
  uint64_t draw(const seam::Decision& decision) override {
    remember(decision);
    return decision.kind == seam::DecisionKind::preempt ? ticks : 0x1234;
  }
  void executed(const seam::Event& event) override { events.push_back(event); }
  bool wants_events() const override { return events_wanted; }
  void end_run(const seam::Outcome&) override {}

  size_t count(seam::DecisionKind kind) const {
    size_t n = 0;
    for (const Asked& a : asked) n += a.kind == kind;
    return n;
  }

 private:
  void remember(const seam::Decision& decision) {
    on_g0 = on_g0 && getg() != curg();
    Asked a{decision.kind, decision.step, {}, {}};
    for (const seam::Candidate& c : decision.candidates) {
      a.goids.push_back(c.goid);
      a.ops.push_back(c.op);
    }
    asked.push_back(a);
  }
};

class Seam : public testing::Test {
 protected:
  void use(Scripted* policy) { seam_set_policy_for_test(policy); }
  void TearDown() override {
    policy_.on_choose = [](const seam::Decision& d) { return d.candidates.size() - 1; };
    while (num_goroutine() > 1) gosched();
    seam_set_policy_for_test(nullptr);
  }
  Scripted policy_;
};

size_t last(const seam::Decision& decision) { return decision.candidates.size() - 1; }

TEST_F(Seam, the_policy_decides_who_runs) {
  policy_.on_choose = last;
  use(&policy_);
  std::string order;
  for (char name : {'a', 'b', 'c'}) go([&order, name] { order += name; });
  gosched();
  EXPECT_EQ(order, "cba");
}

// It would stay asked for as long as the policy rules, and every allocation would look.
TEST_F(Seam, a_request_to_give_way_from_before_the_policy_is_dropped) {
  getp()->preempt.store(true);
  seam_attention.fetch_or(kAttendPreempt);
  heap_attention.fetch_or(kHeapGiveWay);
  use(&policy_);
  EXPECT_FALSE(getp()->preempt.load());
  EXPECT_EQ(seam_attention.load() & kAttendPreempt, 0);
  EXPECT_EQ(heap_attention.load() & kHeapGiveWay, 0);
}

TEST_F(Seam, candidates_come_in_order_of_id_and_carry_what_they_will_do) {
  use(&policy_);
  for (int i = 0; i < 3; ++i) go([] {});
  policy_.on_choose = last;
  gosched();
  const auto run = std::find_if(policy_.asked.begin(), policy_.asked.end(), [](const Asked& asked) {
    return asked.kind == seam::DecisionKind::run;
  });
  ASSERT_NE(run, policy_.asked.end());
  const Asked& first = *run;
  ASSERT_EQ(first.goids.size(), 4u);
  EXPECT_EQ(first.goids[0], 1u);
  EXPECT_TRUE(std::is_sorted(first.goids.begin(), first.goids.end()));
  EXPECT_EQ(first.ops[0], seam::OpKind::yield);
  EXPECT_EQ(first.ops[1], seam::OpKind::start);
}

TEST_F(Seam, nothing_is_asked_where_there_is_no_choice) {
  use(&policy_);
  for (int i = 0; i < 10; ++i) {
    gosched();
    seam_point(seam::OpKind::lock, {1, 0}, true);
  }
  EXPECT_TRUE(policy_.asked.empty());
}

TEST_F(Seam, policy_is_called_on_g0_only) {
  policy_.ticks = 1;
  policy_.events_wanted = true;
  use(&policy_);
  go([] { seam_point(seam::OpKind::lock, {1, 0}, true); });
  gosched();
  seam_draw();
  const seam::Candidate two[2] = {};
  seam_choose(seam::DecisionKind::wake, two);
  EXPECT_GE(policy_.asked.size(), 3u);
  EXPECT_TRUE(policy_.on_g0);
}

// How many of `points` scheduling points the main goroutine passes before the other one runs.
int points_until_switch(int points) {
  bool other_ran = false;
  go([&other_ran] { other_ran = true; });
  for (int i = 0; i < points; ++i) {
    seam_point(seam::OpKind::lock, {1, 0}, true);
    if (other_ran) return i;
  }
  return points;
}

size_t highest_unless_alone(const seam::Decision& decision) { return last(decision); }

TEST_F(Seam, a_slice_of_n_ticks_ends_at_the_nth_point_with_competition) {
  policy_.on_choose = highest_unless_alone;
  policy_.ticks = 3;
  use(&policy_);
  gosched();  // a fresh slice
  EXPECT_EQ(points_until_switch(10), 2);
  policy_.ticks = 1;
  gosched();
  EXPECT_EQ(points_until_switch(10), 0);
}

TEST_F(Seam, an_unbounded_slice_ends_by_yielding_only) {
  use(&policy_);
  EXPECT_EQ(points_until_switch(5000), 5000);
}

TEST_F(Seam, nothing_is_drawn_without_competition) {
  use(&policy_);
  policy_.ticks = 100;
  gosched();
  seam_point(seam::OpKind::lock, {1, 0}, true);
  EXPECT_EQ(policy_.count(seam::DecisionKind::preempt), 0u);
}

TEST_F(Seam, what_is_left_of_a_slice_goes_to_the_next_goroutine) {
  policy_.on_choose = highest_unless_alone;
  policy_.ticks = 10;
  use(&policy_);
  int first = 0, second = 0;
  for (int* points : {&first, &second}) {
    go([points] {
      for (; *points < 6; ++*points) seam_point(seam::OpKind::lock, {1, 0}, true);
    });
  }
  gosched();  // the second one, six points, then the first
  while (first < 6 || second < 6) gosched();
  EXPECT_EQ(policy_.count(seam::DecisionKind::preempt), 2u);  // at the first point and the eleventh
}

TEST_F(Seam, an_unbounded_slice_is_asked_for_again_by_the_next_goroutine) {
  policy_.on_choose = highest_unless_alone;
  use(&policy_);
  for (int i = 0; i < 3; ++i) go([] { seam_point(seam::OpKind::lock, {1, 0}, true); });
  const size_t before = policy_.count(seam::DecisionKind::preempt);
  gosched();
  EXPECT_EQ(policy_.count(seam::DecisionKind::preempt), before + 3);
}

TEST_F(Seam, a_preempted_goroutine_is_a_candidate_with_its_announced_operation) {
  policy_.ticks = 1;
  use(&policy_);
  gosched();
  go([] {});
  seam_point(seam::OpKind::chan_send, {77, 0}, true);
  ASSERT_GE(policy_.asked.size(), 2u);
  const Asked& run = policy_.asked.back();
  EXPECT_EQ(run.kind, seam::DecisionKind::run);
  EXPECT_EQ(run.ops[0], seam::OpKind::chan_send);
}

TEST_F(Seam, events_tell_of_spawn_block_wake_and_exit_in_order) {
  policy_.events_wanted = true;
  use(&policy_);
  G* child = nullptr;
  go([&child] {
    child = getg();
    gopark(nullptr, nullptr, WaitReason::semacquire);
  });
  gosched();
  policy_.on_choose = last;
  gosched();
  goready(child);
  gosched();
  std::vector<seam::Event::Kind> kinds;
  for (const seam::Event& event : policy_.events) {
    if (event.kind != seam::Event::Kind::step) kinds.push_back(event.kind);
  }
  using Kind = seam::Event::Kind;
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::spawn, Kind::block, Kind::wake, Kind::exit}));
}

// The names of three children, two of the main goroutine and one of the first, however they run.
std::vector<seam::GoId> family_names(std::function<size_t(const seam::Decision&)> choose) {
  std::vector<seam::GoId> names(3);
  Scripted policy;
  policy.on_choose = std::move(choose);
  const uint64_t spawns_before = getg()->spawns;
  seam_set_policy_for_test(&policy);
  go([&names] {
    names[0] = getg()->name;
    go([&names] { names[2] = getg()->name; });
  });
  go([&names] { names[1] = getg()->name; });
  while (num_goroutine() > 1) gosched();
  seam_set_policy_for_test(nullptr);
  getg()->spawns = spawns_before;  // the next family is the same one again
  return names;
}

TEST_F(Seam, names_survive_other_schedules) {
  // The oldest that is not the main goroutine, and the youngest.
  const auto first = family_names([](const seam::Decision&) { return 1; });
  const auto reversed = family_names(last);
  EXPECT_EQ(first, reversed);
  EXPECT_NE(first[0], first[1]);
  EXPECT_NE(first[0], first[2]);
}

seam::GoId name_of_made(const seam::ObjectId& maker, uint64_t index) {
  struct {
    seam::GoId name;
    std::atomic<bool> known = false;
  } made;
  newproc([](void* out) {
    auto* of = static_cast<decltype(made)*>(out);
    of->name = getg()->name;
    of->known = true;
  }, &made, nullptr, {.maker = &maker, .maker_index = index});
  while (!made.known) gosched();
  return made.name;
}

TEST_F(Seam, what_an_object_makes_is_named_after_it_whoever_runs) {
  const seam::ObjectId timer{7, 0};
  const seam::GoId here = name_of_made(timer, 0);
  seam::GoId elsewhere;
  go([&] { elsewhere = name_of_made(timer, 0); });
  gosched();
  go([] {});  // another child in between
  while (num_goroutine() > 1) gosched();
  EXPECT_EQ(here, elsewhere);
  EXPECT_NE(here, name_of_made(timer, 1));
}

TEST_F(Seam, objects_are_named_by_their_maker_and_its_count) {
  const seam::ObjectId a = new_object_id(), b = new_object_id();
  EXPECT_NE(a, b);
  getg()->objects -= 2;
  EXPECT_EQ(new_object_id(), a);
  EXPECT_EQ(new_object_id(), b);
}

// Against a map by goid and a queue by age; enough goroutines for several blocks, split and merged.
TEST(ReadySet, gives_back_by_index_and_by_age) {
  static ReadySet set;
  constexpr uint64_t kGoroutines = 3000;
  std::vector<std::unique_ptr<G>> all;
  for (uint64_t id = 1; id <= kGoroutines; ++id) {
    all.push_back(std::make_unique<G>());
    all.back()->goid = id;
    all.back()->name = {id, id * 7};
  }
  std::map<uint64_t, G*> by_id;
  std::vector<G*> outside;
  for (const auto& gp : all) outside.push_back(gp.get());
  uint64_t random = 1, step = 0;
  const auto below = [&random](uint64_t bound) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return (random >> 33) % bound;
  };
  const auto oldest = [&by_id] {
    return std::min_element(by_id.begin(), by_id.end(), [](const auto& a, const auto& b) {
      return a.second->ready_step < b.second->ready_step;
    });
  };
  for (int i = 0; i < 40000; ++i) {
    // Grows for a while, then shrinks, so that both splits and merges happen.
    const bool grow = by_id.empty() || (below(10) < (i / 5000 % 2 == 0 ? 7u : 3u) && !outside.empty());
    if (grow) {
      std::swap(outside[below(outside.size())], outside.back());
      by_id.emplace(outside.back()->goid, outside.back());
      set.insert(outside.back(), ++step);
      outside.pop_back();
    } else {
      auto expected = by_id.begin();
      G* got;
      if (i % 64 == 0) {
        expected = oldest();
        ASSERT_EQ(set.oldest(), static_cast<size_t>(std::distance(by_id.begin(), expected)));
        got = set.take_oldest();
      } else {
        const size_t index = below(by_id.size());
        std::advance(expected, index);
        got = set.take_at(index);
      }
      ASSERT_EQ(got, expected->second);
      by_id.erase(expected);
      outside.push_back(got);
    }
    ASSERT_EQ(set.size(), by_id.size());
    if (i % 1000 != 0) continue;
    const seam::Candidates candidates = set.candidates();
    uint64_t digest = 0;
    auto at = by_id.begin();
    for (const seam::Candidate& c : candidates) {
      ASSERT_EQ(c.goid, at++->first);
      digest += seam::digest_of(c.goroutine, c.goid, c.op);
    }
    EXPECT_EQ(candidates.digest(), digest);
  }
}

TEST_F(Seam, a_goroutine_with_no_preempt_passes_its_points) {
  policy_.ticks = 1;
  use(&policy_);
  gosched();
  getg()->no_preempt = 1;
  EXPECT_EQ(points_until_switch(100), 100);
  getg()->no_preempt = 0;
}

TEST(SeamWithoutPolicy, choices_take_the_first_and_draws_differ) {
  ASSERT_FALSE(seam_active);
  const seam::Candidate three[3] = {};
  EXPECT_EQ(seam_choose(seam::DecisionKind::wake, three), 0u);
  EXPECT_LT(seam_choose(seam::DecisionKind::select, three), 3u);
  EXPECT_NE(seam_draw(), seam_draw());
}

}  // namespace
}  // namespace reprise::rt
