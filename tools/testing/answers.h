// Answers: what a policy answered in one schedule, noted, kept in a file, and given again.
//
// Answers are in the order of the questions; the schedule is a function of them. An answer to a choice is an
// index among its candidates.
//
// Thread safety: the seam's. Ownership: LoggedPolicy owns its inner policy; the log belongs to the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::testing {

struct Answer {
  uint64_t value = 0;
  uint32_t candidates = 0;  // 0 for draws
  seam::DecisionKind kind = seam::DecisionKind::run;
};

// The answers of the running schedule, in memory that outlives the process which asks.
struct AnswerLog {
  static constexpr uint64_t kRoom = 1 << 20;
  uint64_t count = 0;  // may exceed kRoom: then the rest is lost
  Answer answers[kRoom];
};

// Notes what its inner policy answers. A decorator.
class LoggedPolicy final : public seam::Policy {
 public:
  LoggedPolicy(std::unique_ptr<seam::Policy> inner, AnswerLog* log)
      : inner_(std::move(inner)), log_(log) {}

  bool begin_run(const seam::RunInfo& info) override;
  size_t choose(const seam::Decision& decision) override;
  uint64_t draw(const seam::Decision& decision) override;
  void executed(const seam::Event& event) override;
  bool wants_events() const override { return inner_->wants_events(); }
  void end_run(const seam::Outcome& outcome) override { inner_->end_run(outcome); }

 private:
  void note(const Answer& answer);

  std::unique_ptr<seam::Policy> inner_;
  AnswerLog* log_;
};

// Gives noted answers again; beyond their end, the default.
class FollowAnswers final : public seam::Policy {
 public:
  explicit FollowAnswers(std::vector<Answer> answers) : answers_(std::move(answers)) {}

  bool begin_run(const seam::RunInfo&) override;
  size_t choose(const seam::Decision& decision) override;
  uint64_t draw(const seam::Decision& decision) override;
  void executed(const seam::Event&) override {}
  void end_run(const seam::Outcome&) override {}

  // A question came that is not the one noted: the program is another, or not a function of the answers.
  bool diverged() const { return diverged_; }

 private:
  const Answer* next(seam::DecisionKind kind, uint64_t candidates);

  std::vector<Answer> answers_;
  size_t position_ = 0;
  bool diverged_ = false;
};

// A schedule's file: text, a line an answer.
struct ScheduleFile {
  std::string name;
  std::string origin;  // policy, seed and run, for people
  std::vector<Answer> answers;
};
// False and *error set if that fails.
bool write_schedule(const std::string& path, const ScheduleFile& schedule, std::string* error);
bool read_schedule(const std::string& path, ScheduleFile* schedule, std::string* error);

}  // namespace reprise::testing
