// RecordingPolicy and FollowPolicy against a tape held in memory.
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "replay/decision_check.h"
#include "replay/follower.h"
#include "replay/recorder.h"
#include "runtime/seam/not_here.h"
#include "runtime/seam/default_choice.h"
#include "scheduler-policies/random.h"
#include "tests/policies/toy_program.h"

namespace reprise::replay {
namespace {

struct MemoryTape {
  struct Entry {
    uint32_t kind, check;
    int64_t value;
  };
  std::vector<Entry> entries;
  size_t next = 0;
};
MemoryTape* tape_in_use;

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void fail(tape::Verdict, const char* message) { throw Failed(message); }

int64_t append(uint32_t kind, uint32_t check, int64_t value) {
  tape_in_use->entries.push_back({kind, check, value});
  return value;
}

int64_t take(uint32_t kind, uint32_t check, int64_t) {
  if (tape_in_use->next == tape_in_use->entries.size()) throw Failed("the tape ended");
  const auto& entry = tape_in_use->entries[tape_in_use->next++];
  if (entry.kind != kind || entry.check != check) throw Failed("another question");
  return entry.value;
}

class Decorators : public testing::Test {
 protected:
  Decorators() {
    tape_in_use = &tape_;
    recording_.note = append;
    following_.note = take;
    recording_.fail = following_.fail = fail;
  }

  MemoryTape tape_;
  stage::Table recording_{}, following_{};
  seam::ToyProgram toy_{.workers = 4, .steps_each = 10};
};

TEST_F(Decorators, following_repeats_what_was_recorded) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    tape_ = {};
    RecordingPolicy recorder(recording_, std::make_unique<seam::RandomPolicy>(seed));
    const auto recorded = toy_.run(recorder);
    FollowPolicy follower(following_);
    EXPECT_EQ(toy_.run(follower), recorded);
    EXPECT_EQ(tape_.next, tape_.entries.size());
  }
}

TEST_F(Decorators, another_program_is_another_question) {
  RecordingPolicy recorder(recording_, std::make_unique<seam::RandomPolicy>(1));
  toy_.run(recorder);
  seam::ToyProgram other{.workers = 5, .steps_each = 10};
  FollowPolicy follower(following_);
  EXPECT_THROW(other.run(follower), Failed);
}

TEST_F(Decorators, a_choice_out_of_range_is_a_divergence_that_names_the_decision) {
  std::vector<seam::Candidate> candidates(2);
  const seam::Decision decision{seam::DecisionKind::wake, {0xabc, 0xdef}, 77, 0, candidates};
  tape_.entries = {{record_kind(decision.kind), decision_check(decision), 9}};
  FollowPolicy follower(following_);
  try {
    follower.choose(decision);
    FAIL() << "accepted";
  } catch (const Failed& failed) {
    const std::string text = failed.what();
    for (const char* part : {"wake", "step 77", "abc", "2 candidates", "holds 9"})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST_F(Decorators, no_ticks_are_replayed_as_asking_again_at_the_next) {
  const seam::Decision decision{seam::DecisionKind::preempt, {}, 0, 0, {}};
  tape_.entries = {{record_kind(decision.kind), decision_check(decision), 0}};
  FollowPolicy follower(following_);
  EXPECT_EQ(follower.draw(decision), seam::kNotHere);
}

class OutOfRange final : public seam::Policy {
 public:
  bool begin_run(const seam::RunInfo&) override { return true; }
  size_t choose(const seam::Decision& d) override { return d.candidates.size(); }
  uint64_t draw(const seam::Decision&) override { return 1; }
  void executed(const seam::Event&) override {}
  void end_run(const seam::Outcome&) override {}
};

TEST_F(Decorators, a_policys_bad_answer_is_stopped_before_it_is_logged) {
  RecordingPolicy recorder(recording_, std::make_unique<OutOfRange>());
  std::vector<seam::Candidate> candidates(3);
  EXPECT_THROW(recorder.choose({seam::DecisionKind::run, {}, 0, 0, candidates}), Failed);
  EXPECT_TRUE(tape_.entries.empty());
}

TEST(DecisionCheck, depends_on_kind_chooser_names_operations_and_count) {
  std::vector<seam::Candidate> candidates(3);
  for (uint64_t i = 0; i < 3; ++i) candidates[i].goroutine = {1, i};
  seam::Decision decision{seam::DecisionKind::run, {}, 0, 0, candidates};
  const uint32_t check = decision_check(decision);
  auto other = decision;
  other.kind = seam::DecisionKind::wake;
  EXPECT_NE(decision_check(other), check);
  other = decision;
  other.chooser = {0, 1};
  EXPECT_NE(decision_check(other), check);
  other = decision;
  other.candidates = other.candidates.list().first(2);
  EXPECT_NE(decision_check(other), check);
  candidates[1].op = seam::OpKind::lock;
  EXPECT_NE(decision_check(decision), check);
}

}  // namespace
}  // namespace reprise::replay
