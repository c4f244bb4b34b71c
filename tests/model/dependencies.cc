// The relation of dependencies.h. Invariant: what races() asks about and what begin() joins agree:
// an order that matters is either reported or joined.
#include "tests/model/dependencies.h"

namespace reprise::model {

void Dependencies::reset() {
  std::vector<Executed> trace = std::move(trace_);  // for its memory
  *this = {};
  trace.resize(1);
  trace_ = std::move(trace);
}

// Who may begin what has happened since `step` without depending on it, with p's operation at its end;
// `last` is what that operation depends on, null if on all of it.
Threads Dependencies::leaders(uint32_t step, int thread, int p, const Clock* last) const {
  std::array<uint32_t, kMaxThreads> first{};  // of each thread, its first step in that part
  for (uint32_t j = step + 1; j < trace_.size(); ++j) {
    const Executed& e = trace_[j];
    if (e.path.at[thread] < step && first[e.thread] == 0) first[e.thread] = j;
  }
  Threads leaders = 0;
  for (int q = 0; q < kMaxThreads; ++q) {
    if (first[q] == 0 && (q != p || last == nullptr)) continue;
    const Clock& path = first[q] != 0 ? trace_[first[q]].path : *last;
    bool begins = true;
    for (int u = 0; u < kMaxThreads; ++u) {
      begins = begins && (u == q || first[u] == 0 || path.at[u] < first[u]);
    }
    if (begins) leaders |= static_cast<Threads>(1u << q);
  }
  return leaders;
}

void Dependencies::race(int p, const Op& op, const Steps& steps, Search* search) const {
  Clock last = path_[p];
  join_orders(op, &last);
  for (int u = 0; u < kMaxThreads; ++u) {
    const uint32_t step = steps.last[u];
    if (u == p || step == 0 || path_[p].at[u] >= step) continue;
    search->reverse(step, leaders(step, u, p, &last));
    // What it reads is not chosen yet: it may be written in between, and then p cannot begin.
    if (!op.may_read()) continue;
    const Threads others = leaders(step, u, p, nullptr);
    if (others != 0) search->reverse(step, others);
  }
}

void Dependencies::races(int p, const Op& op, Search* search) const {
  if (op.may_write()) race(p, op, reads_[op.place], search);
  if (op.is_sc_access()) {
    race(p, op, sc_[op.place], search);
    race(p, op, sc_fences_, search);
  }
  if (op.is_sc_fence()) race(p, op, sc_any_, search);
  if (op.kind == OpKind::lock) race(p, op, locks_[op.place], search);
  if (op.is_futex()) race(p, op, futex_[op.place], search);
}

// What an operation depends on for its order alone.
void Dependencies::join_orders(const Op& op, Clock* path) const {
  if (op.is_sc_access()) {
    path->join(sc_path_[op.place]);
    path->join(sc_fence_path_);
  }
  if (op.is_sc_fence()) path->join(sc_any_path_);
  if (op.kind == OpKind::lock) path->join(lock_path_[op.place]);
  if (op.is_futex()) path->join(futex_path_[op.place]);
}

void Dependencies::begin(int p, const Op& op, uint32_t step) {
  join_orders(op, &path_[p]);
  path_[p].at[p] = step;
}

void Dependencies::end(int p, const Op& op, uint32_t step) {
  trace_.push_back({p, path_[p]});
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
