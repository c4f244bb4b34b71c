// The turns. surw and greybox come twice: they learn, and find what is deep; the others are cheap insurance.
#include "scheduler-policies/portfolio.h"

#include "scheduler-policies/greybox.h"
#include "scheduler-policies/pct.h"
#include "scheduler-policies/pos.h"
#include "scheduler-policies/preemption_bounded.h"
#include "scheduler-policies/random.h"
#include "scheduler-policies/surw.h"

namespace reprise::seam {
namespace {

enum Member : uint8_t { kPos, kSurw, kGreybox, kPct, kPreemption, kRandom };
constexpr Member kTurns[] = {kPos, kSurw, kGreybox, kPct, kSurw, kGreybox, kPreemption, kRandom};

}  // namespace

PortfolioPolicy::PortfolioPolicy(uint64_t seed) {
  members_.push_back(std::make_unique<PosPolicy>(seed));
  members_.push_back(std::make_unique<SurwPolicy>(seed));
  members_.push_back(std::make_unique<GreyboxPolicy>(seed));
  members_.push_back(std::make_unique<PctPolicy>(seed, 3));
  members_.push_back(std::make_unique<PreemptionBoundedPolicy>(seed));
  members_.push_back(std::make_unique<RandomPolicy>(seed));
  turn_ = members_.front().get();
}

bool PortfolioPolicy::begin_run(const RunInfo& info) {
  turn_ = members_[kTurns[info.run % std::size(kTurns)]].get();
  return turn_->begin_run(info);
}

}  // namespace reprise::seam
