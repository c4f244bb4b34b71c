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
  current_ = {};
}

Footprint::Pending& Footprint::pending_of(GoId goroutine) {
  for (Pending& p : pending_) {
    if (p.goroutine == goroutine) return p;
  }
  return pending_.emplace_back(Pending{goroutine, {}, false, false});
}

const Operation* Footprint::beginning(const Event& event) {
  static constexpr Operation kNothingAnnounced{.op = OpKind::resume};
  if (event.goroutine == GoId{}) return nullptr;
  const Pending& pending = pending_of(event.goroutine);
  if (pending.announced) return &pending.operation;
  if (current_ == event.goroutine) return nullptr;
  return pending.blocked ? &pending.operation : &kNothingAnnounced;
}

void Footprint::take(const Event& event) {
  if (event.goroutine == GoId{}) return;
  Pending& pending = pending_of(event.goroutine);
  pending.announced = event.kind == Event::Kind::step;
  if (pending.announced) put(pending.operation, event.op, event.accesses, event.site);
  if (pending.announced) pending.blocked = false;
  if (event.kind == Event::Kind::block) pending.blocked = true;
  current_ = event.goroutine;
}

std::optional<Transition> Footprint::executed(const Event& event) {
  std::optional<Transition> began;
  if (const Operation* operation = beginning(event)) began = {event.goroutine, *operation};
  take(event);
  return began;
}

Transition Footprint::chosen(const Candidate& candidate) {
  const Operation operation = operation_of(candidate);
  begin(candidate);
  return {candidate.goroutine, operation};
}

void Footprint::begin(const Candidate& candidate) {
  pending_of(candidate.goroutine).announced = false;
  current_ = candidate.goroutine;
}

const Operation* Footprint::waited_in(const Candidate& candidate) const {
  if (candidate.op != OpKind::resume) return nullptr;
  for (const Pending& p : pending_) {
    if (p.goroutine == candidate.goroutine && p.blocked) return &p.operation;
  }
  return nullptr;
}

Operation Footprint::operation_of(const Candidate& candidate) const {
  const Operation* waited = waited_in(candidate);
  if (waited != nullptr) return *waited;
  Operation operation;
  put(operation, candidate.op, candidate.accesses, candidate.site);
  return operation;
}

}  // namespace reprise::seam
