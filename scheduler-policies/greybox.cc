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
    return {seldom, true, rng_.below(8) != 0};
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
  member_count_ = 0;
  for (Offered& offered : offered_) offered.goroutine = {};
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
  if (event.goroutine == GoId{}) return;
  const size_t number = footprint_.number_of(event.goroutine);
  const Operation* const began = footprint_.beginning(number);
  if (began != nullptr) note(known(number, event.goroutine, began->op, began->site, began->list()));
  footprint_.take(number, event);
  if (event.kind == Event::Kind::step) member(number).is_known = false;
}

bool GreyboxPolicy::held_back(const Roles& roles) const {
  return ((roles.read & hold_.read) | (roles.write & hold_.write) | (roles.other_write & hold_.other_write)) != 0;
}

void GreyboxPolicy::make_members(size_t count) {
  if (members_.size() < count) members_.resize(count);
  for (; member_count_ < count; ++member_count_) {
    members_[member_count_].priority.drop();
    members_[member_count_].is_known = false;
  }
}

// Nothing changes about an operation between its announcement and its end, so it is looked up once.
const KnownOperation& GreyboxPolicy::known(size_t number, GoId goroutine, OpKind op, Site site, std::span<const Access> accesses) {
  static constexpr KnownOperation kNothing{};
  if (accesses.empty()) return kNothing;
  Member& m = member(number);
  if (m.is_known) return m.announced;
  m.is_known = true;
  m.version = 0;
  return m.announced = pairs_.known(goroutine, op, site, accesses);
}

const Operation* GreyboxPolicy::waited_in(const Offered& offered, const Candidate& c) const {
  return c.op == OpKind::resume ? footprint_.waited_in(offered.member) : nullptr;
}

const KnownOperation& GreyboxPolicy::known(const Offered& offered, const Candidate& c) {
  const Operation* const waited = waited_in(offered, c);
  if (waited != nullptr) return known(offered.member, c.goroutine, waited->op, waited->site, waited->list());
  return known(offered.member, c.goroutine, c.op, c.site, c.accesses);
}

void GreyboxPolicy::find_locks() {
  locks_version_ = pairs_.version();
  for (size_t i = 0; i < constraints_.size(); ++i) locks_[i] = pairs_.locks_of(constraints_[i].pair, constraints_[i].whole);
}

GreyboxPolicy::Roles GreyboxPolicy::roles_of(const Offered& offered, const Candidate& c) {
  if (c.accesses.empty() && waited_in(offered, c) == nullptr) return {};
  Member& m = members_[offered.member];
  const KnownOperation& operation = known(offered, c);
  if (m.version == pairs_.version()) return m.roles;
  m.version = pairs_.version();
  m.roles = {};
  for (size_t i = 0; i < constraints_.size(); ++i) {
    const auto bit = static_cast<Constraints>(1u << i);
    switch (Pairs::role(constraints_[i].pair, locks_[i], operation)) {
      case Pairs::Role::none: break;
      case Pairs::Role::read: m.roles.read |= bit; break;
      case Pairs::Role::write: m.roles.write |= bit; break;
      case Pairs::Role::other_write: m.roles.other_write |= bit; break;
    }
  }
  return m.roles;
}

// Once every constraint is met nobody is held back, and only what is chosen needs a look.
void GreyboxPolicy::look_at(std::span<const Candidate> candidates) {
  if (locks_version_ != pairs_.version()) find_locks();
  Constraints reader_waits = 0;
  for (size_t n = 0; n < candidates.size(); ++n) {
    offered_[n].roles = roles_of(offered_[n], candidates[n]);
    reader_waits |= offered_[n].roles.read;
  }
  hold_ = {};
  for (size_t i = 0; i < constraints_.size(); ++i) {
    const Constraint& c = constraints_[i];
    if (c.met) continue;
    const auto bit = static_cast<Constraints>(1u << i);
    const bool after_write = pairs_.last_write(c.pair.object) == c.pair.write, waits = (reader_waits & bit) != 0;
    if (after_write != c.wanted) hold_.read |= bit;
    if (c.wanted && !waits) hold_.write |= bit;
    if (c.wanted && after_write && (waits || c.pair.write == 0)) hold_.other_write |= bit;
  }
}

// Mostly they stand where they stood at the last choice.
void GreyboxPolicy::number(std::span<const Candidate> candidates) {
  if (offered_room_ < candidates.size()) offered_.resize(offered_room_ = candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    Offered& offered = offered_[i];
    if (offered.goroutine == candidates[i].goroutine && offered.member < member_count_) continue;
    offered.goroutine = candidates[i].goroutine;
    offered.member = footprint_.number_of(offered.goroutine);
    member(offered.member);
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
    const uint64_t priority = members_[offered_[i].member].priority.of(rng_);
    const bool held = (late && all[i].op == OpKind::start) || (steering_ && held_back(offered_[i].roles));
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
  number(all);
  if (steering_) look_at(all);
  const size_t chosen = highest(all);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == chosen || conflict(all[i].accesses, all[chosen].accesses)) members_[offered_[i].member].priority.drop();
  }
  note(known(offered_[chosen], all[chosen]));
  footprint_.begin(offered_[chosen].member);
  return chosen;
}

void GreyboxPolicy::end_run(const Outcome&) {
  if (!running_) return;
  running_ = false;
  const bool new_combination = ++combinations_.at({pairs_.combination(), 0}) == 1;
  if (new_combination || pairs_.showed_new()) corpus_.push_back({constraints_, pairs_.combination()});
}

}  // namespace reprise::seam
