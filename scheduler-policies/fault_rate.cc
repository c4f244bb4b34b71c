// Which of the faults it is, once there is to be one, is drawn uniformly: policies weigh goroutines, and all
// candidates of such a decision are the same goroutine's.
#include "scheduler-policies/fault_rate.h"

#include <algorithm>

namespace reprise::seam {

namespace {

constexpr double kScale = 4294967296.0;
// Apart from the inner policy's numbers of the same seed.
constexpr uint64_t kStream = 0x6661756c74;

}  // namespace

FaultRatePolicy::FaultRatePolicy(std::unique_ptr<Policy> inner, uint64_t seed, double rate)
    : inner_(std::move(inner)),
      seed_(seed ^ kStream),
      threshold_(static_cast<uint64_t>(std::clamp(rate, 0.0, 1.0) * kScale)),
      rng_(seed_) {}

bool FaultRatePolicy::begin_run(const RunInfo& info) {
  rng_ = Rng(seed_, info.run);
  return inner_->begin_run(info);
}

size_t FaultRatePolicy::choose(const Decision& decision) {
  if (decision.kind != DecisionKind::fault) return inner_->choose(decision);
  if (rng_.next() >> 32 >= threshold_) return kDefault;
  return 1 + rng_.below(decision.candidates.size() - 1);
}

}  // namespace reprise::seam
