// Selectively uniform random walk.
//
// A goroutine's weight is what the profile says that it and the children it has yet to start will do to the
// object, less what it has announced already, plus the announced operation that still waits. So the
// weights of all who are ready sum up to the operations that remain, and drawing by weight is drawing a
// remaining interleaving uniformly.
#include "scheduler-policies/surw.h"

#include <algorithm>
#include <utility>

namespace reprise::seam {
namespace {

// Where goroutines only meet, the order of arrival is no race.
bool meeting_point(OpKind op) {
  return op == OpKind::wg_add || op == OpKind::wg_wait || op == OpKind::once;
}

bool touches(std::span<const Access> accesses, ObjectId object) {
  return std::any_of(accesses.begin(), accesses.end(),
                     [&](const Access& a) { return a.object == object; });
}

template <class Counts>
auto* find_count(Counts& counts, GoId goroutine) {
  const auto at = std::find_if(counts.begin(), counts.end(),
                               [&](const auto& c) { return c.goroutine == goroutine; });
  return at == counts.end() ? nullptr : &*at;
}

}  // namespace

bool SurwPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  learn();  // of a run that nobody ended
  has_intended_ = false;
  object_ = choices_.empty() ? kNone : choices_[rng_.below(choices_.size())];
  return true;
}

void SurwPolicy::end_run(const Outcome&) { learn(); }

// Takes over what the run showed, where that is more.
void SurwPolicy::learn() {
  for (const size_t index : touched_) {
    Object& object = objects_[index];
    object.touched = false;
    for (Count& c : object.counts) {
      learned_ |= c.touches_now > c.touches;
      c.touches = std::max(c.touches, c.touches_now);
      c.touches_now = 0;
    }
  }
  touched_.clear();
  for (Child& c : family_) c.started = false;
  if (!std::exchange(learned_, false)) return;
  choices_.clear();
  for (size_t i = 0; i < objects_.size(); ++i) {
    const auto& counts = objects_[i].counts;
    const bool written = std::any_of(counts.begin(), counts.end(), [](const Count& c) { return c.writes; });
    if (counts.size() > 1 && written) choices_.push_back(i);
  }
}

void SurwPolicy::count(const Event& event) {
  for (const Access& access : event.accesses) {
    uint32_t& at = object_at_.at(access.object);
    if (at == 0) {
      objects_.push_back({access.object, {}});
      at = static_cast<uint32_t>(objects_.size());
    }
    Object& object = objects_[at - 1];
    if (!std::exchange(object.touched, true)) touched_.push_back(at - 1);
    Count* count = find_count(object.counts, event.goroutine);
    if (count == nullptr) count = &object.counts.emplace_back(Count{event.goroutine});
    ++count->touches_now;
    learned_ |= access.write && !count->writes;
    count->writes |= access.write;
  }
}

void SurwPolicy::note_birth(const Event& event) {
  if (has_intended_ && intended_ == event.goroutine) pass_on_to(event.other);
  uint32_t& at = child_at_.at(event.other);
  if (at == 0) {
    family_.push_back({event.goroutine, event.other});
    at = static_cast<uint32_t>(family_.size());
  }
  family_[at - 1].started = true;
}

void SurwPolicy::executed(const Event& event) {
  if (event.kind == Event::Kind::spawn) note_birth(event);
  if (event.kind == Event::Kind::step && !meeting_point(event.op)) count(event);
}

// A parent's turn was its children's too: to each its share.
void SurwPolicy::pass_on_to(GoId child) {
  const uint64_t of_both = left_of(intended_), of_child = planned_of(child);
  if (of_child != 0 && rng_.below(std::max(of_both, of_child)) < of_child) intended_ = child;
}

// What it will do in all, with the children that it has not started.
uint64_t SurwPolicy::planned_of(GoId goroutine) const {
  if (object_ == kNone) return 0;
  const Count* count = find_count(objects_[object_].counts, goroutine);
  uint64_t sum = count == nullptr ? 0 : count->touches;
  for (const Child& c : family_) {
    if (c.parent == goroutine && !c.started) sum += planned_of(c.child);
  }
  return sum;
}

uint64_t SurwPolicy::left_of(GoId goroutine) const {
  const uint64_t planned = planned_of(goroutine);
  if (object_ == kNone) return planned;
  const Count* begun = find_count(objects_[object_].counts, goroutine);
  return begun == nullptr ? planned : planned - std::min(planned, begun->touches_now);
}

bool SurwPolicy::interesting(const Candidate& candidate) const {
  return object_ != kNone && !meeting_point(candidate.op) && touches(candidate.accesses, objects_[object_].id);
}

// Index of the goroutine that shall make the next interesting operation; the number of candidates if nobody
// that is ready has one left.
size_t SurwPolicy::draw_intended(const Decision& decision) {
  const auto& all = decision.candidates;
  weights_.clear();
  uint64_t sum = 0;
  for (const Candidate& c : all) sum += weights_.emplace_back(left_of(c.goroutine) + interesting(c));
  if (sum == 0) return all.size();
  uint64_t ticket = rng_.below(sum);
  size_t index = 0;
  while (ticket >= weights_[index]) ticket -= weights_[index++];
  return index;
}

// A step of the random walk in which nobody but the intended one makes the next interesting operation.
size_t SurwPolicy::walk(const Decision& decision) {
  const auto& all = decision.candidates;
  const auto is_intended = [&](const Candidate& c) { return has_intended_ && c.goroutine == intended_; };
  if (std::none_of(all.begin(), all.end(), is_intended)) {
    const size_t drawn = draw_intended(decision);
    has_intended_ = drawn != all.size();
    if (has_intended_) intended_ = all[drawn].goroutine;
  }
  allowed_.clear();
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_intended(all[i]) || !interesting(all[i])) allowed_.push_back(i);
  }
  const size_t chosen = allowed_.empty() ? rng_.below(all.size()) : allowed_[rng_.below(allowed_.size())];
  if (is_intended(all[chosen]) && interesting(all[chosen])) has_intended_ = false;
  return chosen;
}

size_t SurwPolicy::choose(const Decision& decision) {
  return decision.kind == DecisionKind::run ? walk(decision) : rng_.below(decision.candidates.size());
}

}  // namespace reprise::seam
