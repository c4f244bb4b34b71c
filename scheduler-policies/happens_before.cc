// Vector clocks over the operations of a run, computed as they happen.
//
// Invariant: steps_[i].clock[a] is the number of a's operations that happen before or are step i. A race is
// found by joining the clocks of earlier steps from the latest to the earliest: a conflicting one that is
// not below the clock by then has nothing in between.
#include "scheduler-policies/happens_before.h"

#include <algorithm>

namespace reprise::seam {
namespace {

// Announced without an object, but with an effect that others may see.
bool touches_anything(const Operation& operation) {
  switch (operation.op) {
    case OpKind::start:
    case OpKind::resume:
    case OpKind::yield:
    case OpKind::spawn:
    case OpKind::exit:
      return false;
    case OpKind::select:
      return operation.count == 0 || operation.count == Operation::kMaxAccesses;
    default:
      return operation.count == 0;
  }
}

}  // namespace

bool dependent(const Operation& a, const Operation& b) {
  return touches_anything(a) || touches_anything(b) || conflict(a.list(), b.list());
}

void HappensBefore::clear() {
  actors_.clear();
  enabled_by_.clear();
  latest_.clear();
  steps_.clear();
  racing_.clear();
}

size_t HappensBefore::index_of(GoId goroutine) {
  const auto at = std::find(actors_.begin(), actors_.end(), goroutine);
  if (at != actors_.end()) return static_cast<size_t>(at - actors_.begin());
  actors_.push_back(goroutine);
  enabled_by_.push_back(kNoNode);
  latest_.push_back(kNoNode);
  return actors_.size() - 1;
}

void HappensBefore::join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

bool HappensBefore::ordered(const Step& first, const Clock& clock) const {
  return first.actor < clock.size() && clock[first.actor] >= first.number;
}

void HappensBefore::begin(GoId goroutine, const Operation& operation, size_t node) {
  const size_t actor = index_of(goroutine);
  const size_t before = latest_[actor];
  const uint32_t number = before == kNoNode ? 1 : steps_[before].number + 1;
  steps_.push_back({actor, operation, node, enabled_by_[actor], number, before, {}});
  racing_.emplace_back();
  enabled_by_[actor] = kNoNode;
  latest_[actor] = steps_.size() - 1;
  take_order(steps_.size() - 1, &racing_.back());
}

void HappensBefore::take_order(size_t step, std::vector<size_t>* racing) {
  Step& now = steps_[step];
  Clock clock;
  if (now.before != kNoNode) join(clock, steps_[now.before].clock);
  if (now.enabler != kNoNode) join(clock, steps_[now.enabler].clock);
  for (size_t i = step; i-- > 0;) {
    const Step& earlier = steps_[i];
    if (ordered(earlier, clock) || !dependent(earlier.operation, now.operation)) continue;
    racing->push_back(i);
    join(clock, earlier.clock);
  }
  if (clock.size() <= now.actor) clock.resize(now.actor + 1);
  clock[now.actor] = now.number;
  now.clock = std::move(clock);
}

void HappensBefore::enables(GoId child) {
  if (!steps_.empty()) enabled_by_[index_of(child)] = steps_.size() - 1;
}

// Of the steps between the two that the first does not come before, and the second: whose first step has
// none of the others before it.
std::vector<GoId> HappensBefore::initials_of(size_t first, size_t second) const {
  std::vector<size_t> rest;
  for (size_t i = first + 1; i <= second; ++i) {
    if (i == second || !ordered(steps_[first], steps_[i].clock)) rest.push_back(i);
  }
  std::vector<GoId> initials;
  std::vector<size_t> seen;
  for (const size_t i : rest) {
    if (std::find(seen.begin(), seen.end(), steps_[i].actor) != seen.end()) continue;
    seen.push_back(steps_[i].actor);
    const bool first_of_all = std::none_of(rest.begin(), rest.end(), [&](size_t j) {
      return j < i && ordered(steps_[j], steps_[i].clock);
    });
    if (first_of_all) initials.push_back(actors_[steps_[i].actor]);
  }
  return initials;
}

std::vector<HappensBefore::Race> HappensBefore::races() const {
  std::vector<Race> races;
  for (size_t second = 0; second < steps_.size(); ++second) {
    for (const size_t first : racing_[second]) {
      if (steps_[first].node == kNoNode) continue;
      races.push_back({steps_[first].node, initials_of(first, second), actors_[steps_[second].actor]});
    }
  }
  return races;
}

}  // namespace reprise::seam
