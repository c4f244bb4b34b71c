// Note in one run, compare in the next.
//
// Invariant: while checking, position_ is the number of decisions that were equal so far; once
// differs_ is set nothing more is compared or reported in this run.
#include "scheduler-policies/twice.h"

#include <algorithm>
#include <cstdio>

namespace reprise::seam {
namespace {

std::string text_of(GoId id) {
  char text[40];
  snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(id.hi),
           static_cast<unsigned long long>(id.lo));
  return text;
}

std::string changed(std::string_view what, std::string_view before, std::string_view now) {
  std::string text(what);
  return text.append(" was ").append(before).append(", is ").append(now);
}

std::string changed(std::string_view what, uint64_t before, uint64_t now) {
  return changed(what, std::to_string(before), std::to_string(now));
}

bool same(const Access& a, const Access& b) { return a.object == b.object && a.write == b.write; }

}  // namespace

TwicePolicy::TwicePolicy(std::unique_ptr<Policy> inner, OnDifference on_difference)
    : inner_(std::move(inner)), on_difference_(std::move(on_difference)) {}

bool TwicePolicy::begin_run(const RunInfo& info) {
  position_ = 0;
  differs_ = false;
  if (checking_) return true;
  noted_.clear();
  return inner_->begin_run(info);
}

size_t TwicePolicy::choose(const Decision& decision) {
  if (checking_) {
    const Noted* noted = repeat(decision);
    return noted != nullptr ? noted->answer : 0;
  }
  const size_t answer = inner_->choose(decision);
  note(decision, answer);
  return answer;
}

uint64_t TwicePolicy::draw(const Decision& decision) {
  if (checking_) {
    const Noted* noted = repeat(decision);
    return noted != nullptr ? noted->answer : 1;
  }
  const uint64_t answer = inner_->draw(decision);
  note(decision, answer);
  return answer;
}

void TwicePolicy::executed(const Event& event) {
  if (!checking_) inner_->executed(event);
}

void TwicePolicy::end_run(const Outcome& outcome) {
  if (!checking_) {
    inner_->end_run(outcome);
    first_outcome_ = outcome.kind;
    first_status_ = outcome.exit_status;
    checking_ = true;
    return;
  }
  if (!differs_ && position_ != noted_.size())
    differ(changed("number of decisions", noted_.size(), position_));
  if (!differs_ && (outcome.kind != first_outcome_ || outcome.exit_status != first_status_))
    differ(changed("exit status", std::to_string(first_status_),
                   std::to_string(outcome.exit_status)));
  checking_ = false;
}

void TwicePolicy::note(const Decision& decision, uint64_t answer) {
  Noted noted{decision.kind, decision.chooser, decision.step, decision.site, {}, answer};
  for (const Candidate& c : decision.candidates)
    noted.options.push_back({c.goroutine, c.op, c.site, {c.accesses.begin(), c.accesses.end()}});
  noted_.push_back(std::move(noted));
}

const TwicePolicy::Noted* TwicePolicy::repeat(const Decision& decision) {
  if (differs_) return nullptr;
  if (position_ == noted_.size()) {
    differ(changed("number of decisions", std::to_string(noted_.size()), "more"));
    return nullptr;
  }
  const Noted& noted = noted_[position_];
  const std::string what = difference(noted, decision);
  if (!what.empty()) {
    differ(what);
    return nullptr;
  }
  ++position_;
  return &noted;
}

void TwicePolicy::differ(const std::string& what) {
  differs_ = true;
  on_difference_("the program is not deterministic under the same schedule: at decision " +
                 std::to_string(position_) + ", " + what);
}

std::string TwicePolicy::difference(const Noted& noted, const Decision& decision) {
  if (noted.kind != decision.kind)
    return changed("kind", name_of(noted.kind), name_of(decision.kind));
  const std::string kind = name_of(decision.kind);
  if (noted.chooser != decision.chooser)
    return changed(kind + " by goroutine", text_of(noted.chooser), text_of(decision.chooser));
  if (noted.step != decision.step) return changed(kind + " at step", noted.step, decision.step);
  if (noted.site != decision.site) return changed(kind + " at site", noted.site, decision.site);
  if (noted.options.size() != decision.candidates.size())
    return changed(kind + " number of candidates", noted.options.size(),
                   decision.candidates.size());
  for (size_t i = 0; i < noted.options.size(); ++i) {
    const std::string what = difference(noted.options[i], decision.candidates[i]);
    if (!what.empty()) return kind + " candidate " + std::to_string(i) + ": " + what;
  }
  return {};
}

std::string TwicePolicy::difference(const Option& noted, const Candidate& candidate) {
  if (noted.goroutine != candidate.goroutine)
    return changed("goroutine", text_of(noted.goroutine), text_of(candidate.goroutine));
  if (noted.op != candidate.op)
    return changed("operation", name_of(noted.op), name_of(candidate.op));
  if (noted.site != candidate.site) return changed("site", noted.site, candidate.site);
  if (!std::equal(noted.accesses.begin(), noted.accesses.end(), candidate.accesses.begin(),
                  candidate.accesses.end(), same))
    return "its accesses changed";
  return {};
}

}  // namespace reprise::seam
