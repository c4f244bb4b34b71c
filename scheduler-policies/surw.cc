// Selectively uniform random walk.
//
// A goroutine's weight is what the profile says that it and the children it has yet to start will do to the
// object, less what it has announced already, plus the announced operation that still waits. So the
// weights of all who are ready sum up to the operations that remain, and drawing by weight is drawing a
// remaining interleaving uniformly.
#include "scheduler-policies/surw.h"

#include <algorithm>

namespace reprise::seam {
namespace {

// Where goroutines only meet, the order of arrival is no race.
bool meeting_point(OpKind op) {
  return op == OpKind::wg_add || op == OpKind::wg_wait || op == OpKind::once;
}

template <class Counts>
auto* find_count(Counts& counts, GoId goroutine) {
  const auto at = std::find_if(counts.begin(), counts.end(),
                               [&](const auto& c) { return c.goroutine == goroutine; });
  return at == counts.end() ? nullptr : &*at;
}

bool touches(std::span<const Access> accesses, ObjectId object) {
  return std::any_of(accesses.begin(), accesses.end(),
                     [&](const Access& a) { return a.object == object; });
}

}  // namespace

bool SurwPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  learn();
  seen_.clear();
  born_.clear();
  touched_.clear();
  has_intended_ = false;
  pick_object();
  return true;
}

void SurwPolicy::end_run(const Outcome&) { learn(); }

// Takes over what the last run showed, where that is more.
void SurwPolicy::learn() {
  for (const auto& [object, counts] : seen_) {
    auto& known = profile_[object];
    for (const Count& count : counts) {
      Count* old = find_count(known, count.goroutine);
      if (old == nullptr) {
        known.push_back(count);
        continue;
      }
      old->touches = std::max(old->touches, count.touches);
      old->writes |= count.writes;
    }
  }
  for (const Child& birth : born_) {
    const bool known = std::any_of(family_.begin(), family_.end(),
                                   [&](const Child& c) { return c.child == birth.child; });
    if (!known) family_.push_back(birth);
  }
  seen_.clear();
  born_.clear();
}

void SurwPolicy::pick_object() {
  choices_.clear();
  for (const auto& [object, counts] : profile_) {
    const bool written = std::any_of(counts.begin(), counts.end(), [](const Count& c) { return c.writes; });
    if (counts.size() > 1 && written) choices_.push_back(object);
  }
  has_object_ = !choices_.empty();
  if (has_object_) object_ = choices_[rng_.below(choices_.size())];
}

void SurwPolicy::executed(const Event& event) {
  if (event.kind == Event::Kind::spawn) {
    if (has_intended_ && intended_ == event.goroutine) pass_on_to(event.other);
    born_.push_back({event.goroutine, event.other});
  }
  if (event.kind != Event::Kind::step || meeting_point(event.op)) return;
  for (const Access& access : event.accesses) {
    auto& counts = seen_[access.object];
    Count* count = find_count(counts, event.goroutine);
    if (count == nullptr) count = &counts.emplace_back(Count{event.goroutine});
    ++count->touches;
    count->writes |= access.write;
  }
  if (!has_object_ || !touches(event.accesses, object_)) return;
  Count* count = find_count(touched_, event.goroutine);
  if (count == nullptr) count = &touched_.emplace_back(Count{event.goroutine});
  ++count->touches;
}

// A parent's turn was its children's too: to each its share.
void SurwPolicy::pass_on_to(GoId child) {
  const uint64_t of_both = left_of(intended_), of_child = planned_of(child);
  if (of_child != 0 && rng_.below(std::max(of_both, of_child)) < of_child) intended_ = child;
}

// What it will do in all, with the children that it has not started.
uint64_t SurwPolicy::planned_of(GoId goroutine) const {
  const auto known = profile_.find(object_);
  uint64_t sum = 0;
  if (known != profile_.end()) {
    if (const Count* count = find_count(known->second, goroutine)) sum = count->touches;
  }
  for (const Child& c : family_) {
    if (c.parent != goroutine) continue;
    const bool started = std::any_of(born_.begin(), born_.end(),
                                     [&](const Child& birth) { return birth.child == c.child; });
    if (!started) sum += planned_of(c.child);
  }
  return sum;
}

uint64_t SurwPolicy::left_of(GoId goroutine) const {
  const uint64_t planned = planned_of(goroutine);
  const Count* begun = find_count(touched_, goroutine);
  return begun == nullptr ? planned : planned - std::min(planned, begun->touches);
}

bool SurwPolicy::interesting(const Candidate& candidate) const {
  return has_object_ && !meeting_point(candidate.op) && touches(candidate.accesses, object_);
}

// Index of the goroutine that shall make the next interesting operation; the number of candidates if nobody
// that is ready has one left.
size_t SurwPolicy::draw_intended(const Decision& decision) {
  const auto& all = decision.candidates;
  const auto weight = [&](const Candidate& c) { return left_of(c.goroutine) + interesting(c); };
  uint64_t sum = 0;
  for (const Candidate& c : all) sum += weight(c);
  if (sum == 0) return all.size();
  uint64_t ticket = rng_.below(sum);
  size_t index = 0;
  while (ticket >= weight(all[index])) ticket -= weight(all[index++]);
  return index;
}

size_t SurwPolicy::choose(const Decision& decision) {
  const auto& all = decision.candidates;
  if (decision.kind != DecisionKind::run) return rng_.below(all.size());
  const auto is_intended = [&](const Candidate& c) { return has_intended_ && c.goroutine == intended_; };
  if (std::none_of(all.begin(), all.end(), is_intended)) {
    const size_t drawn = draw_intended(decision);
    has_intended_ = drawn != all.size();
    if (has_intended_) intended_ = all[drawn].goroutine;
  }
  std::vector<size_t> allowed;
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_intended(all[i]) || !interesting(all[i])) allowed.push_back(i);
  }
  const size_t chosen = allowed.empty() ? rng_.below(all.size()) : allowed[rng_.below(allowed.size())];
  if (is_intended(all[chosen]) && interesting(all[chosen])) has_intended_ = false;
  return chosen;
}

uint64_t SurwPolicy::draw(const Decision& decision) {
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

}  // namespace reprise::seam
