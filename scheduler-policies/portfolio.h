// portfolio: several policies in turn, one a run. The default of explorations.
//
// Every policy is bad at something, and which one suits a program is not known before. Taking turns costs at
// most the number of turns times the schedules that the best one needs, and usually far less, because
// several are good. A turn is a function of the run's index; the members learn from their own runs only.
//
// Thread safety: Policy's. Owns its members.
#pragma once

#include <memory>
#include <vector>

#include "runtime/seam/policy.h"

namespace reprise::seam {

class PortfolioPolicy final : public Policy {
 public:
  explicit PortfolioPolicy(uint64_t seed);

  bool begin_run(const RunInfo& info) override;
  size_t choose(const Decision& decision) override { return turn_->choose(decision); }
  uint64_t draw(const Decision& decision) override { return turn_->draw(decision); }
  void executed(const Event& event) override { turn_->executed(event); }
  bool wants_events() const override { return turn_->wants_events(); }
  void end_run(const Outcome& outcome) override { turn_->end_run(outcome); }

 private:
  std::vector<std::unique_ptr<Policy>> members_;
  Policy* turn_;
};

}  // namespace reprise::seam
