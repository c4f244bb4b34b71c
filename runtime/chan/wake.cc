// Wake decisions. Candidates are built only if a policy is installed and there is a choice; they
// are sorted by goroutine id, and `ready_step` carries the place in line, so that a policy can be
// first-in first-out.
//
// choose_waiter() offers the first kWakeChoices in line: a lock that n goroutines wait for is
// released n times, and n squared candidates would be the price of offering all of them.
#include "runtime/chan/wake.h"

#include <algorithm>
#include <vector>

#include "runtime/sched/proc.h"

namespace reprise::rt {

using seam::Candidate;

namespace {

constexpr size_t kWakeChoices = 64;

struct Waiting {
  uint64_t goid;
  G* gp;
  uint64_t place;
  size_t index;  // in the caller's list
};

// Kept for its memory: a contended lock takes a decision at each release. Used with a policy only,
// where the baton makes one thread of them all, and never across a switch of goroutines. Never
// destroyed: static destructors may still use locks.
struct Scratch {
  std::vector<Waiting> waiting;
  std::vector<Candidate> candidates;
  std::vector<Sudog*> sudogs;
};
Scratch& scratch = *new Scratch;

// Returns the caller's index of the chosen one of scratch.waiting. REQUIRES: at least two.
size_t choose_among_waiting() {
  auto& waiting = scratch.waiting;
  std::sort(waiting.begin(), waiting.end(),
            [](const Waiting& a, const Waiting& b) { return a.goid < b.goid; });
  scratch.candidates.clear();
  for (const Waiting& w : waiting) {
    scratch.candidates.push_back({.goroutine = w.gp->name,
                                  .goid = w.goid,
                                  .ready_step = w.place,
                                  .op = w.gp->op,
                                  .site = w.gp->op_site,
                                  .accesses = {}});
  }
  return waiting[seam_choose(seam::DecisionKind::wake, scratch.candidates)].index;
}

}  // namespace

void WakeList::push(G* gp) {
  gp->schedlink = nullptr;
  if (last_ != nullptr) {
    last_->schedlink = gp;
  } else {
    first_ = gp;
  }
  last_ = gp;
  ++count_;
}

void WakeList::move_to_front(size_t index) {
  if (index == 0) return;
  G* before = first_;
  for (size_t i = 1; i < index; ++i) before = before->schedlink;
  G* gp = before->schedlink;
  before->schedlink = gp->schedlink;
  gp->schedlink = first_;
  first_ = gp;
}

void WakeList::ready_all() {
  if (seam_active && count_ > 1) {
    auto& waiting = scratch.waiting;
    waiting.clear();
    for (G* gp = first_; gp != nullptr; gp = gp->schedlink) {
      waiting.push_back({gp->goid, gp, waiting.size(), waiting.size()});
    }
    move_to_front(choose_among_waiting());
  }
  G* gp = first_;
  first_ = last_ = nullptr;
  count_ = 0;
  while (gp != nullptr) {
    G* next = gp->schedlink;  // goready() links it anew
    gp->schedlink = nullptr;
    goready(gp);
    gp = next;
  }
}

Sudog* choose_waiter(Sudog* first, int64_t limit) {
  while (first != nullptr && first->weight > limit) first = first->next;
  if (!seam_active || first == nullptr || first->next == nullptr) return first;
  auto& waiting = scratch.waiting;
  auto& sudogs = scratch.sudogs;
  waiting.clear();
  sudogs.clear();
  for (Sudog* sg = first; sg != nullptr && sudogs.size() < kWakeChoices; sg = sg->next) {
    if (sg->weight > limit) continue;
    waiting.push_back({sg->g->goid, sg->g, sudogs.size(), sudogs.size()});
    sudogs.push_back(sg);
  }
  if (sudogs.size() == 1) return first;
  return sudogs[choose_among_waiting()];
}

}  // namespace reprise::rt
