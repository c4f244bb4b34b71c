// Answers of a schedule: noting, following, and their file.
//
// Invariant: the n-th answer noted is the n-th given again. A question that differs in kind or in its
// number of candidates is answered by the default from there on, and the run counts as diverged.
#include "tools/testing/answers.h"

#include <fstream>
#include <sstream>

#include "runtime/sched/counted.h"
#include "runtime/seam/default_choice.h"

namespace reprise::testing {

using seam::Decision;
using seam::DecisionKind;

bool LoggedPolicy::begin_run(const seam::RunInfo& info) {
  log_->count = 0;
  return inner_->begin_run(info);
}

void LoggedPolicy::executed(const seam::Event& event) {
  const rt::TicksAside aside;
  inner_->executed(event);
}

void LoggedPolicy::note(const Answer& answer) {
  if (log_->count < AnswerLog::kRoom) log_->answers[log_->count] = answer;
  ++log_->count;
}

size_t LoggedPolicy::choose(const Decision& decision) {
  const rt::TicksAside aside;
  const size_t index = seam::resolved(decision, inner_->choose(decision));
  note({index, static_cast<uint32_t>(decision.candidates.size()), decision.kind});
  return index;
}

uint64_t LoggedPolicy::draw(const Decision& decision) {
  const rt::TicksAside aside;
  const uint64_t drawn = inner_->draw(decision);
  note({drawn, 0, decision.kind});
  return drawn;
}

bool FollowAnswers::begin_run(const seam::RunInfo&) {
  position_ = 0;
  diverged_ = false;
  return true;
}

const Answer* FollowAnswers::next(DecisionKind kind, uint64_t candidates) {
  if (diverged_ || position_ == answers_.size()) return nullptr;
  const Answer& answer = answers_[position_++];
  if (answer.kind == kind && answer.candidates == candidates) return &answer;
  diverged_ = true;
  return nullptr;
}

size_t FollowAnswers::choose(const Decision& decision) {
  const rt::TicksAside aside;
  const size_t candidates = decision.candidates.size();
  const Answer* answer = next(decision.kind, candidates);
  return answer != nullptr && answer->value < candidates ? answer->value : kDefault;
}

uint64_t FollowAnswers::draw(const Decision& decision) {
  const rt::TicksAside aside;
  const Answer* answer = next(decision.kind, 0);
  if (answer != nullptr) return answer->value;
  return decision.kind == DecisionKind::interrupt ? kUnbounded : 1;
}

namespace {

constexpr char kMagic[] = "reprise-schedule 1";

bool kind_named(const std::string& name, DecisionKind* kind) {
  for (size_t i = 0; i < seam::kDecisionKinds; ++i) {
    *kind = static_cast<DecisionKind>(i);
    if (name == seam::name_of(*kind)) return true;
  }
  return false;
}

bool parse_answer(const std::string& line, Answer* answer) {
  std::istringstream words(line);
  std::string kind;
  return words >> kind >> answer->value >> answer->candidates && kind_named(kind, &answer->kind);
}

}  // namespace

bool write_schedule(const std::string& path, const ScheduleFile& schedule, std::string* error) {
  std::ofstream file(path);
  file << kMagic << '\n' << schedule.name << '\n' << schedule.origin << '\n';
  for (const Answer& answer : schedule.answers) {
    file << seam::name_of(answer.kind) << ' ' << answer.value << ' ' << answer.candidates << '\n';
  }
  file.close();
  if (file) return true;
  *error = path + ": cannot be written";
  return false;
}

bool read_schedule(const std::string& path, ScheduleFile* schedule, std::string* error) {
  std::ifstream file(path);
  std::string magic, line;
  if (!std::getline(file, magic) || magic != kMagic || !std::getline(file, schedule->name) ||
      !std::getline(file, schedule->origin)) {
    *error = path + ": not a schedule file";
    return false;
  }
  while (std::getline(file, line)) {
    Answer answer;
    if (!parse_answer(line, &answer)) {
      *error = path + ": line " + std::to_string(schedule->answers.size() + 4) + " is no answer";
      return false;
    }
    schedule->answers.push_back(answer);
  }
  return true;
}

}  // namespace reprise::testing
