// A user's policy: always the last candidate. Goroutines run in the opposite of their order.
#include "runtime/seam/policy.h"

namespace {

class LastFirst final : public reprise::seam::Policy {
 public:
  bool begin_run(const reprise::seam::RunInfo&) override { return true; }
  size_t choose(const reprise::seam::Decision& decision) override {
    return decision.candidates.size() - 1;
  }
  uint64_t draw(const reprise::seam::Decision& decision) override {
    if (decision.kind == reprise::seam::DecisionKind::preempt) return kUnbounded;
    return state_ = state_ * 6364136223846793005u + 1442695040888963407u;
  }
  void executed(const reprise::seam::Event&) override {}
  void end_run(const reprise::seam::Outcome&) override {}

 private:
  uint64_t state_ = 1;
};

}  // namespace

extern "C" reprise::seam::Policy* reprise_make_policy(uint64_t) { return new LastFirst; }
