// Goroutines that the poller found ready and has not yet reported. g0 only.
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
  std::vector<Ready> items;

  void add(G* gp, seam::OpKind op, seam::Access access) { items.push_back({gp, op, access}); }
};

}  // namespace reprise::rt
