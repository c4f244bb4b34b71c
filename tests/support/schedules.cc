// Policies come from the catalog, as in a controlled run, but are installed in this process.
#include "tests/support/schedules.h"

#include <gtest/gtest.h>
#include <reprise/go.h>

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/sched/proc.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/default_choice.h"
#include "runtime/time/clock.h"

namespace reprise::test {

namespace {

constexpr int kFairSeeds = 3;
constexpr int kPatience = 1'000'000;

void under_policy(const char* name, int seed, const std::function<void()>& body) {
  SCOPED_TRACE(std::string(name) + ", seed " + std::to_string(seed));
  std::string error;
  const auto policy = seam::make_policy(name, static_cast<uint64_t>(seed), &error);
  ASSERT_NE(policy, nullptr) << error;
  ASSERT_TRUE(policy->begin_run({static_cast<uint64_t>(seed), 0}));
  rt::seam_set_policy_for_test(policy.get());
  body();
  expect_alone();
  rt::seam_set_policy_for_test(nullptr);
}

}  // namespace

void under_schedules(int seeds, const std::function<void()>& body) {
  {
    SCOPED_TRACE("no policy");
    body();
    expect_alone();
  }
  for (int seed = 1; seed <= kFairSeeds && !testing::Test::HasFailure(); ++seed) {
    under_policy("fair", seed, body);
  }
  for (int seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) {
    under_policy("random", seed, body);
  }
}

void expect_alone() {
  for (int i = 0; i < kPatience && num_goroutine() > 1; ++i) yield();
  ASSERT_EQ(num_goroutine(), 1u) << "goroutines left behind";
}

namespace {

class FirstInFirstOut final : public seam::Policy {
 public:
  void begin_with(uint64_t goid) {
    last_ = goid;
    line_.clear();
  }
  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& decision) override {
    if (decision.kind != seam::DecisionKind::run) return seam::default_choice(decision);
    const auto& all = decision.candidates;
    note_arrivals(all);
    size_t first = 0;
    for (size_t i = 1; i < all.size(); ++i) {
      if (line_[all[i].goid].place < line_[all[first].goid].place) first = i;
    }
    last_ = all[first].goid;
    line_.erase(last_);
    return first;
  }
  uint64_t draw(const seam::Decision& decision) override {
    return decision.kind == seam::DecisionKind::preempt ? kUnbounded : ++draws_;
  }
  void executed(const seam::Event&) override {}
  void end_run(const seam::Outcome&) override {}

 private:
  struct Arrival {
    uint64_t step;
    uint64_t place;
  };

  // Of the same step are those whom the last one made ready before it gave way, and itself: behind them.
  void note_arrivals(std::span<const seam::Candidate> all) {
    std::vector<seam::Candidate> fresh;
    for (const auto& candidate : all) {
      const auto found = line_.find(candidate.goid);
      if (found == line_.end() || found->second.step != candidate.ready_step) fresh.push_back(candidate);
    }
    std::stable_sort(fresh.begin(), fresh.end(), [this](const auto& a, const auto& b) {
      return a.ready_step != b.ready_step ? a.ready_step < b.ready_step : b.goid == last_ && a.goid != last_;
    });
    for (const auto& candidate : fresh) line_[candidate.goid] = {candidate.ready_step, ++places_};
  }

  std::map<uint64_t, Arrival> line_;  // by goid
  uint64_t places_ = 0;
  uint64_t draws_ = 0;
  uint64_t last_ = 0;  // who runs, as far as there was a choice
};

FirstInFirstOut first_in_first_out;

}  // namespace

InOrder::InOrder() {
  first_in_first_out.begin_with(rt::curg()->goid);
  rt::seam_set_policy_for_test(&first_in_first_out);
}
InOrder::~InOrder() { rt::seam_set_policy_for_test(nullptr); }

VirtualTime::VirtualTime() { rt::clock_use(rt::ClockKind::simulated); }
VirtualTime::~VirtualTime() { rt::clock_use(rt::ClockKind::real); }

}  // namespace reprise::test
