// A user's policy, built as users build theirs: against the seam's headers alone, linking nothing of
// Reprise. Last in, first out; never preempts.
#include "runtime/seam/policy.h"

namespace {

class LastInFirstOut final : public reprise::seam::Policy {
 public:
  bool begin_run(const reprise::seam::RunInfo&) override { return true; }
  size_t choose(const reprise::seam::Decision& decision) override {
    return decision.candidates.size() - 1;
  }
  uint64_t draw(const reprise::seam::Decision& decision) override {
    return decision.kind == reprise::seam::DecisionKind::preempt ? kUnbounded : ++drawn_;
  }
  void executed(const reprise::seam::Event&) override {}
  void end_run(const reprise::seam::Outcome&) override {}

 private:
  uint64_t drawn_ = 0;
};

}  // namespace

extern "C" reprise::seam::Policy* reprise_make_policy(uint64_t) { return new LastInFirstOut; }
