// The toy's scheduler: a run decision when several workers are ready, a preempt draw for the chosen.
#include "tests/policies/toy_program.h"

#include "runtime/seam/default_choice.h"

#include <algorithm>

namespace reprise::seam {
namespace {

GoId id_of(size_t worker) { return {7, worker + 1}; }

}  // namespace

std::vector<Candidate> ToyProgram::candidates() const {
  std::vector<Candidate> ready;
  for (size_t w = 0; w < workers; ++w) {
    if (left[w] == 0) continue;
    const bool odd = odd_operation_in_run == runs && w == 1 && left[w] == steps_each - 1;
    ready.push_back({.goroutine = id_of(w),
                     .goid = w + 1,
                     .ready_step = ready_step[w],
                     .op = odd ? OpKind::unlock : OpKind::lock});
  }
  return ready;
}

std::vector<size_t> ToyProgram::run(Policy& policy, RunInfo info) {
  if (!policy.begin_run(info)) return {};
  left.assign(workers, steps_each);
  ready_step.assign(workers, 0);
  if (short_worker_in_run == runs) --left[1];
  std::vector<size_t> trace;
  for (auto ready = candidates(); !ready.empty(); ready = candidates()) {
    const uint64_t step = trace.size();
    size_t index = 0;
    const Decision decision{DecisionKind::run, {}, step, 0, ready};
    if (ready.size() > 1) index = resolved(decision, policy.choose(decision));
    const size_t worker = ready.at(index).goid - 1;
    const uint64_t ticks = policy.draw({DecisionKind::preempt, id_of(worker), step, 0, {}});
    for (uint64_t t = std::min(ticks, left[worker]); t > 0; --t) {
      trace.push_back(worker);
      --left[worker];
    }
    ready_step[worker] = trace.size();
  }
  policy.end_run({});
  ++runs;
  return trace;
}

}  // namespace reprise::seam
