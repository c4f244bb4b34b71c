// Goroutines that the poller found ready and has not yet reported. g0 only.
//
// With a policy they are kept with what they waited for, since the report is a decision. Without one
// they are only linked, by schedlink: that allocates nothing, and the scheduler takes them as a batch.
#pragma once

#include <vector>

#include "runtime/sched/g_m_p.h"
#include "runtime/seam/decision.h"

namespace reprise::rt {

struct Ready {
  G* gp;
  seam::OpKind op;      // what it waited for
  seam::Access access;  // the descriptor; zero for a finished blocking call
};

struct ReadyList {
  bool by_decision = false;
  std::vector<Ready> items;  // by_decision
  G* first = nullptr;        // else
  G* last = nullptr;

  void add(G* gp, seam::OpKind op, seam::Access access) {
    if (by_decision) [[unlikely]] {
      items.push_back({gp, op, access});
      return;
    }
    gp->schedlink = nullptr;
    (first == nullptr ? first : last->schedlink) = gp;
    last = gp;
  }
};

}  // namespace reprise::rt
