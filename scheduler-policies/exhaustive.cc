// Exhaustive search with source sets and sleep sets.
//
// The path is the list of decisions of the last run. A run repeats it up to its last node, which has been
// advanced to an answer that is owed, and extends it from there with the first answer that is not asleep.
// A transition is one announced operation and what follows up to the next point; one that needed no
// decision, because nobody else was ready, has no node and cannot be turned round there, and need not be:
// nobody else could have gone.
#include "scheduler-policies/exhaustive.h"

#include <algorithm>

namespace reprise::seam {

bool ExhaustivePolicy::begin_run(const RunInfo&) {
  if (diverged_ || exhausted_ || (started_ && path_.empty())) return false;
  started_ = true;
  rng_ = Rng(seed_);
  depth_ = 0;
  sleepers_.clear();
  running_redundant_ = false;
  footprint_.clear();
  order_.clear();
  return true;
}

bool ExhaustivePolicy::asleep(const Node& node, const Option& option) const {
  return std::any_of(node.sleepers.begin(), node.sleepers.end(),
                     [&](const Sleeper& s) { return s.goroutine == option.goroutine; });
}

// Whoever's operation may meet this one has something new to show after it.
void ExhaustivePolicy::wake_sleepers(const Transition& transition) {
  std::erase_if(sleepers_, [&](const Sleeper& s) {
    return s.goroutine == transition.goroutine || dependent(s.operation, transition.operation);
  });
}

void ExhaustivePolicy::begin(const Transition& transition, size_t node) {
  const auto sleeps = [&](const Sleeper& s) { return s.goroutine == transition.goroutine; };
  if (std::any_of(sleepers_.begin(), sleepers_.end(), sleeps)) running_redundant_ = true;
  wake_sleepers(transition);
  order_.begin(transition.goroutine, transition.operation, node);
}

void ExhaustivePolicy::executed(const Event& event) {
  if (const auto began = footprint_.executed(event)) begin(*began, HappensBefore::kNoNode);
  if (event.kind == Event::Kind::spawn || event.kind == Event::Kind::wake) order_.enables(event.other);
}

size_t ExhaustivePolicy::choose(const Decision& decision) {
  if (diverged_) return kDefault;
  const size_t chosen = depth_ < path_.size() ? repeat(decision) : extend(decision);
  ++depth_;
  if (chosen == kDefault || decision.kind != DecisionKind::run) return chosen;
  begin(footprint_.chosen(decision.candidates[chosen]), depth_ - 1);
  return chosen;
}

size_t ExhaustivePolicy::repeat(const Decision& decision) {
  const Node& node = path_[depth_];
  if (node.kind != decision.kind || node.options.size() != decision.candidates.size()) {
    diverged_ = true;
    return kDefault;
  }
  if (node.kind == DecisionKind::run) sleepers_ = node.sleepers;
  return node.chosen;
}

size_t ExhaustivePolicy::extend(const Decision& decision) {
  Node& node = path_.emplace_back(Node{decision.kind, {}, sleepers_});
  for (const Candidate& candidate : decision.candidates) {
    node.options.push_back({candidate.goroutine, footprint_.operation_of(candidate)});
  }
  if (decision.kind == DecisionKind::run) {
    node.chosen = first_awake(node);
  } else if (!running_redundant_) {
    for (Option& option : node.options) option.owed = true;
  }
  node.options[node.chosen].owed = node.options[node.chosen].done = true;
  return node.chosen;
}

// The first that is not asleep; the one that runs goes on if it may, so that the first run has few switches.
size_t ExhaustivePolicy::first_awake(const Node& node) {
  size_t chosen = node.options.size();
  for (size_t i = 0; i < node.options.size(); ++i) {
    if (asleep(node, node.options[i])) continue;
    const bool goes_on = node.options[i].goroutine == footprint_.current();
    if (chosen == node.options.size() || goes_on) chosen = i;
  }
  return chosen == node.options.size() ? 0 : chosen;
}

uint64_t ExhaustivePolicy::draw(const Decision& decision) {
  if (decision.kind == DecisionKind::interrupt) return kUnbounded;
  return decision.kind == DecisionKind::preempt ? 1 : rng_.next();
}

// One of the initials must be tried at the race's node; it is if one is in the source set already.
void ExhaustivePolicy::owe(const HappensBefore::Race& race) {
  Node& node = path_[race.node];
  const auto is_initial = [&](const Option& o) {
    return std::find(race.initials.begin(), race.initials.end(), o.goroutine) != race.initials.end();
  };
  Option* pick = nullptr;
  for (Option& option : node.options) {
    if (!is_initial(option)) continue;
    if (option.owed) return;
    if (pick == nullptr || option.goroutine == race.preferred) pick = &option;
  }
  if (pick != nullptr) {
    pick->owed = true;
    return;
  }
  // None could go there, so what enables one of them must: any of them may.
  for (Option& option : node.options) option.owed = true;
}

// Moves the last node that owes something to its next answer and drops what lies below; false if none does.
bool ExhaustivePolicy::advance() {
  while (!path_.empty()) {
    Node& node = path_.back();
    const Option& last = node.options[node.chosen];
    if (node.kind == DecisionKind::run) node.sleepers.push_back({last.goroutine, last.operation});
    for (size_t i = 0; i < node.options.size(); ++i) {
      Option& option = node.options[i];
      if (!option.owed || option.done) continue;
      option.done = true;
      if (node.kind == DecisionKind::run && asleep(node, option)) continue;
      node.chosen = i;
      return true;
    }
    path_.pop_back();
  }
  return false;
}

void ExhaustivePolicy::end_run(const Outcome&) {
  if (diverged_) return;
  if (running_redundant_) {
    ++redundant_;
  } else {
    for (const HappensBefore::Race& race : order_.races()) owe(race);
  }
  exhausted_ = !advance();
}

}  // namespace reprise::seam
