// Announced operations, by goroutine. A run has few goroutines, so the search is linear.
//
// Invariant: an operation that is `announced` has not begun. At a decision all of them wait; if its goroutine
// shows any other event first, it went on without one.
#include "scheduler-policies/footprint.h"

#include <algorithm>

namespace reprise::seam {
namespace {

// In place, and of the accesses only those that there are: it happens at every event.
void put(Operation& to, OpKind op, std::span<const Access> accesses, Site site) {
  to.op = op;
  to.site = site;
  to.count = std::min(accesses.size(), Operation::kMaxAccesses);
  for (size_t i = 0; i < to.count; ++i) to.accesses[i] = accesses[i];
}

}  // namespace

bool conflict(std::span<const Access> a, std::span<const Access> b) {
  for (const Access& x : a) {
    for (const Access& y : b) {
      if (x.object == y.object && (x.write || y.write)) return true;
    }
  }
  return false;
}

void Footprint::clear() {
  pending_.clear();
  last_ = kNobody;
  current_ = {};
}

size_t Footprint::look_for(GoId goroutine) {
  last_ = 0;
  for (const Pending& p : pending_) {
    if (p.goroutine == goroutine) return last_;
    ++last_;
  }
  pending_.emplace_back(Pending{goroutine, {}, false, false});
  return last_;
}

const Operation* Footprint::beginning(size_t number) const {
  static constexpr Operation kNothingAnnounced{.op = OpKind::resume};
  const Pending& pending = pending_[number];
  if (pending.announced) return &pending.operation;
  if (current_ == pending.goroutine) return nullptr;
  return pending.blocked ? &pending.operation : &kNothingAnnounced;
}

void Footprint::take(size_t number, const Event& event) {
  Pending& pending = pending_[number];
  pending.announced = event.kind == Event::Kind::step;
  if (pending.announced) put(pending.operation, event.op, event.accesses, event.site);
  if (pending.announced) pending.blocked = false;
  if (event.kind == Event::Kind::block) pending.blocked = true;
  current_ = event.goroutine;
}

std::optional<Transition> Footprint::executed(const Event& event) {
  if (event.goroutine == GoId{}) return {};
  const size_t number = number_of(event.goroutine);
  std::optional<Transition> began;
  if (const Operation* operation = beginning(number)) began = {event.goroutine, *operation};
  take(number, event);
  return began;
}

Transition Footprint::chosen(const Candidate& candidate) {
  const Operation operation = operation_of(candidate);
  begin(number_of(candidate.goroutine));
  return {candidate.goroutine, operation};
}

Operation Footprint::operation_of(const Candidate& candidate) const {
  if (candidate.op == OpKind::resume) {
    for (const Pending& p : pending_) {
      if (p.goroutine == candidate.goroutine && p.blocked) return p.operation;
    }
  }
  Operation operation;
  put(operation, candidate.op, candidate.accesses, candidate.site);
  return operation;
}

}  // namespace reprise::seam
