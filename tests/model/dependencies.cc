// The relation of dependencies.h. Invariant: what races() asks about and what begin() joins agree:
// an order that matters is either reported or joined.
#include "tests/model/dependencies.h"

namespace reprise::model {

void Dependencies::race(int p, const Steps& steps, Search* search) const {
  for (int u = 0; u < kMaxThreads; ++u) {
    const uint32_t step = steps.last[u];
    if (u == p || step == 0 || path_[p].at[u] >= step) continue;
    Threads leaders = 0;
    for (int v = 0; v < kMaxThreads; ++v) {
      if (path_[p].at[v] > step) leaders |= static_cast<Threads>(1u << v);
    }
    search->reverse(step, p, leaders);
  }
}

void Dependencies::races(int p, const Op& op, Search* search) const {
  if (op.may_write()) race(p, reads_[op.place], search);
  if (op.is_sc_access()) {
    race(p, sc_[op.place], search);
    race(p, sc_fences_, search);
  }
  if (op.is_sc_fence()) race(p, sc_any_, search);
  if (op.kind == OpKind::lock) race(p, locks_[op.place], search);
  if (op.is_futex()) race(p, futex_[op.place], search);
}

void Dependencies::begin(int p, const Op& op, uint32_t step) {
  if (op.is_sc_access()) {
    path_[p].join(sc_path_[op.place]);
    path_[p].join(sc_fence_path_);
  }
  if (op.is_sc_fence()) path_[p].join(sc_any_path_);
  if (op.kind == OpKind::lock) path_[p].join(lock_path_[op.place]);
  if (op.is_futex()) path_[p].join(futex_path_[op.place]);
  path_[p].at[p] = step;
}

void Dependencies::end(int p, const Op& op, uint32_t step) {
  if (op.may_read()) reads_[op.place].last[p] = step;
  if (op.is_sc_access()) {
    sc_[op.place].last[p] = sc_any_.last[p] = step;
    sc_path_[op.place].join(path_[p]);
    sc_any_path_.join(path_[p]);
  }
  if (op.is_sc_fence()) {
    sc_any_.last[p] = sc_fences_.last[p] = step;
    sc_any_path_.join(path_[p]);
    sc_fence_path_.join(path_[p]);
  }
  if (op.kind == OpKind::lock) locks_[op.place].last[p] = step;
  if (op.kind == OpKind::lock || op.kind == OpKind::unlock) lock_path_[op.place].join(path_[p]);
  if (op.is_futex()) {
    futex_[op.place].last[p] = step;
    futex_path_[op.place].join(path_[p]);
  }
}

}  // namespace reprise::model
