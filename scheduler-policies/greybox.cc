// Abstract schedules, their mutation, and the steering towards them.
//
// Steering: for a wanted pair (w, r), r is held back until w was the last write of the object, and from then
// on other writes of it are held back until r has happened. For an unwanted one r is held back while w
// is the last write. If everybody is held back, nobody is.
#include "scheduler-policies/greybox.h"

#include <algorithm>

namespace reprise::seam {
namespace {

bool reads_and_writes(OpKind op) {
  return op != OpKind::memory_read && op != OpKind::memory_write && op != OpKind::atomic_load &&
         op != OpKind::atomic_store;
}

}  // namespace

const GreyboxPolicy::Entry* GreyboxPolicy::pick_entry() {
  if (corpus_.empty()) return nullptr;
  const Entry& a = corpus_[rng_.below(corpus_.size())];
  const Entry& b = corpus_[rng_.below(corpus_.size())];
  return combinations_[a.combination] <= combinations_[b.combination] ? &a : &b;
}

// A write and a read of one object that are known; pairs that were never seen are tried twice as often.
GreyboxPolicy::Constraint GreyboxPolicy::draw_constraint() {
  Constraint drawn{};
  for (int attempt = 0; attempt < 2; ++attempt) {
    const ObjectId id = shared_[rng_.below(shared_.size())];
    const Object& object = objects_[id];
    const uint64_t write = rng_.below(object.writes.size() + 1);
    drawn.pair.object = id;
    drawn.pair.write = write == 0 ? Place{} : *std::next(object.writes.begin(), static_cast<std::ptrdiff_t>(write - 1));
    drawn.pair.read = *std::next(object.reads.begin(), static_cast<std::ptrdiff_t>(rng_.below(object.reads.size())));
    drawn.wanted = rng_.below(4) != 0;
    if (!pairs_.contains(drawn.pair)) break;
  }
  return drawn;
}

void GreyboxPolicy::mutate() {
  constraints_.clear();
  if (shared_.empty() || rng_.below(8) == 0) return;
  if (const Entry* entry = pick_entry()) constraints_ = entry->constraints;
  const uint64_t how = rng_.below(4);
  if (how == 0 && !constraints_.empty()) {
    constraints_.erase(constraints_.begin() + static_cast<std::ptrdiff_t>(rng_.below(constraints_.size())));
  } else if (how == 1 && !constraints_.empty()) {
    constraints_[rng_.below(constraints_.size())] = draw_constraint();
  } else if (how == 2) {
    constraints_ = {draw_constraint()};
  } else if (constraints_.size() < kMaxConstraints) {
    constraints_.push_back(draw_constraint());
  }
}

bool GreyboxPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  end_run({});  // of a run that nobody ended
  mutate();
  met_.assign(constraints_.size(), false);
  last_write_.clear();
  footprint_.clear();
  priorities_.clear();
  shown_.clear();
  running_ = true;
  return true;
}

GreyboxPolicy::Place GreyboxPolicy::last_write(ObjectId object) const {
  const auto at = last_write_.find(object);
  return at == last_write_.end() ? Place{} : at->second;
}

void GreyboxPolicy::note(const Transition& transition) {
  const Operation& operation = transition.operation;
  const Place place{operation.op, operation.site};
  for (const Access& access : operation.list()) {
    Object& object = objects_[access.object];
    const bool reads = !access.write || reads_and_writes(operation.op);
    if (reads) {
      const Pair pair{access.object, last_write(access.object), place};
      shown_.insert(pair);
      object.reads.insert(place);
      for (size_t i = 0; i < constraints_.size(); ++i) {
        if (constraints_[i].pair.object == access.object && constraints_[i].pair.read == place) met_[i] = true;
      }
    }
    if (access.write) {
      object.writes.insert(place);
      last_write_[access.object] = place;
    }
  }
}

void GreyboxPolicy::executed(const Event& event) {
  if (const auto began = footprint_.executed(event)) note(*began);
}

bool GreyboxPolicy::held_back_by(const Constraint& c, const Operation& operation) const {
  const Place place{operation.op, operation.site};
  const bool after_write = last_write(c.pair.object) == c.pair.write;
  for (const Access& access : operation.list()) {
    if (access.object != c.pair.object) continue;
    if (place == c.pair.read) return after_write != c.wanted;
    if (c.wanted && access.write && after_write) return true;
  }
  return false;
}

bool GreyboxPolicy::held_back(const Operation& operation) const {
  for (size_t i = 0; i < constraints_.size(); ++i) {
    if (!met_[i] && held_back_by(constraints_[i], operation)) return true;
  }
  return false;
}

// Of those not held back if there are any.
size_t GreyboxPolicy::highest(const Decision& decision) {
  const auto& all = decision.candidates;
  size_t best = all.size();
  bool best_held = true;
  uint64_t best_priority = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const auto [at, is_new] = priorities_.try_emplace(all[i].goroutine, 0);
    if (is_new) at->second = rng_.next();
    const bool held = held_back(footprint_.operation_of(all[i]));
    if (best != all.size() && (held > best_held || (held == best_held && at->second <= best_priority))) continue;
    best = i;
    best_held = held;
    best_priority = at->second;
  }
  return best;
}

size_t GreyboxPolicy::choose(const Decision& decision) {
  const auto& all = decision.candidates;
  if (decision.kind != DecisionKind::run) return rng_.below(all.size());
  const size_t chosen = highest(decision);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == chosen || conflict(all[i].accesses, all[chosen].accesses)) priorities_.erase(all[i].goroutine);
  }
  note(footprint_.chosen(all[chosen]));
  return chosen;
}

uint64_t GreyboxPolicy::draw(const Decision& decision) {
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

void GreyboxPolicy::end_run(const Outcome&) {
  if (!running_) return;
  running_ = false;
  uint64_t combination = 0;
  bool fresh = false;
  for (const Pair& pair : shown_) {
    fresh |= pairs_.insert(pair).second;
    const uint64_t of_write = digest_of({0, pair.write.site}, pair.object.name, pair.write.op);
    combination += digest_of({0, pair.read.site}, of_write, pair.read.op);
  }
  fresh |= ++combinations_[combination] == 1;
  if (fresh) corpus_.push_back({constraints_, combination});
  shared_.clear();
  for (const auto& [id, object] : objects_) {
    if (!object.writes.empty() && !object.reads.empty()) shared_.push_back(id);
  }
}

}  // namespace reprise::seam
