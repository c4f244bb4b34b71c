// Abstract schedules, their mutation, and the steering towards them.
//
// Steering: for a wanted pair (w, r), w waits until somebody is about to do r, and r until w was the last write; from
// then on other writes wait until r has happened. For an unwanted one r waits while w is the last write. If
// everybody waits, nobody does.
#include "scheduler-policies/greybox.h"

#include <algorithm>

namespace reprise::seam {

const GreyboxPolicy::Entry* GreyboxPolicy::pick_entry() {
  if (corpus_.empty()) return nullptr;
  const Entry& a = corpus_[rng_.below(corpus_.size())];
  const Entry& b = corpus_[rng_.below(corpus_.size())];
  return combinations_.at({a.combination, 0}) <= combinations_.at({b.combination, 0}) ? &a : &b;
}

// Mostly a pair that was never seen, of two the one that was asked for less often.
GreyboxPolicy::Constraint GreyboxPolicy::draw_constraint() {
  const auto& unseen = pairs_.unseen();
  if (!unseen.empty() && rng_.below(8) != 0) {
    const Pair &a = unseen[rng_.below(unseen.size())], &b = unseen[rng_.below(unseen.size())];
    const uint64_t of_a = asked_.at(a), of_b = asked_.at(b);
    const Pair& seldom = of_a <= of_b ? a : b;
    ++asked_.at(seldom);
    return {seldom, true, rng_.below(2) == 0};
  }
  const auto& possible = pairs_.possible();
  return {possible[rng_.below(possible.size())], rng_.below(4) != 0};
}

void GreyboxPolicy::mutate() {
  constraints_.clear();
  if (pairs_.possible().empty() || rng_.below(16) == 0) return;
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
  if (rng_.below(2) == 0 && constraints_.size() < kMaxConstraints) constraints_.push_back(draw_constraint());
}

bool GreyboxPolicy::begin_run(const RunInfo& info) {
  SeededPolicy::begin_run(info);
  end_run({});  // of a run that nobody ended
  mutate();
  for (Constraint& c : constraints_) c.met = false;
  steering_ = !constraints_.empty();
  pairs_.begin_run();
  footprint_.clear();
  priorities_.clear();
  late_starts_ = info.run % 2 == 0;
  starter_ = {};
  running_ = true;
  return true;
}

void GreyboxPolicy::note(const KnownOperation& operation) {
  if (operation.count == 0) return;
  pairs_.happened(operation);
  if (!steering_) return;
  steering_ = false;
  for (Constraint& c : constraints_) {
    if (operation.place == c.pair.read) c.met = true;
    steering_ |= !c.met;
  }
}

void GreyboxPolicy::executed(const Event& event) {
  if (event.kind == Event::Kind::spawn) starter_ = event.goroutine;
  const Operation* const began = footprint_.beginning(event);
  if (began != nullptr && began->count != 0) {
    note(pairs_.known(event.goroutine, began->op, began->site, began->list()));
  }
  footprint_.take(event);
}

bool GreyboxPolicy::held_back_by(const Constraint& c, Pairs::Role role) {
  switch (role) {
    case Pairs::Role::none: return false;
    case Pairs::Role::read: return c.after_write != c.wanted;
    case Pairs::Role::write: return c.wanted && !c.reader_waits;
    case Pairs::Role::other_write: return c.wanted && c.after_write && (c.reader_waits || c.pair.write == 0);
  }
  return false;
}

bool GreyboxPolicy::held_back(const Offered& offered) const {
  for (size_t i = 0; i < constraints_.size(); ++i) {
    if (!constraints_[i].met && held_back_by(constraints_[i], offered.roles[i])) return true;
  }
  return false;
}

KnownOperation GreyboxPolicy::known(const Candidate& candidate) {
  const Operation* waited = footprint_.waited_in(candidate);
  if (waited != nullptr) return pairs_.known(candidate.goroutine, waited->op, waited->site, waited->list());
  return pairs_.known(candidate.goroutine, candidate.op, candidate.site, candidate.accesses);
}

// Once every constraint is met nobody is held back, and only what is chosen needs a look.
void GreyboxPolicy::look_at(std::span<const Candidate> candidates) {
  offered_.resize(candidates.size());
  for (Constraint& c : constraints_) {
    c.reader_waits = false;
    c.after_write = pairs_.last_write(c.pair.object) == c.pair.write;
  }
  for (size_t n = 0; n < candidates.size(); ++n) {
    Offered& offered = offered_[n];
    offered.operation = known(candidates[n]);
    for (size_t i = 0; i < constraints_.size(); ++i) {
      Constraint& c = constraints_[i];
      offered.roles[i] = c.met ? Pairs::Role::none : pairs_.role(c.pair, offered.operation, c.whole);
      c.reader_waits |= offered.roles[i] == Pairs::Role::read;
    }
  }
}

bool GreyboxPolicy::starter_is_ready(std::span<const Candidate> candidates) const {
  return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& c) { return c.goroutine == starter_; });
}

// Of those not held back if there are any.
size_t GreyboxPolicy::highest(std::span<const Candidate> all) {
  const bool late = late_starts_ && starter_is_ready(all);
  size_t best = all.size();
  bool best_held = true;
  uint64_t best_priority = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const uint64_t priority = priorities_.at(all[i].goroutine).of(rng_);
    const bool held = (late && all[i].op == OpKind::start) || (steering_ && held_back(offered_[i]));
    if (best != all.size() && (held > best_held || (held == best_held && priority <= best_priority))) continue;
    best = i;
    best_held = held;
    best_priority = priority;
  }
  return best;
}

size_t GreyboxPolicy::choose(const Decision& decision) {
  const auto all = decision.candidates.list();
  if (decision.kind != DecisionKind::run) return rng_.below(all.size());
  if (steering_) look_at(all);
  const size_t chosen = highest(all);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == chosen || conflict(all[i].accesses, all[chosen].accesses)) priorities_.at(all[i].goroutine).drop();
  }
  const KnownOperation operation = steering_ ? offered_[chosen].operation : known(all[chosen]);
  footprint_.begin(all[chosen]);
  note(operation);
  return chosen;
}

void GreyboxPolicy::end_run(const Outcome&) {
  if (!running_) return;
  running_ = false;
  const bool new_combination = ++combinations_.at({pairs_.combination(), 0}) == 1;
  if (new_combination || pairs_.showed_new()) corpus_.push_back({constraints_, pairs_.combination()});
}

}  // namespace reprise::seam
