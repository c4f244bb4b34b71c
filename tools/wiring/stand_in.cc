// Who answers. Slices of time inside computations stay the inner policy's: they are asked for in a signal
// handler, and a schedule of an exploration has none.
#include "tools/wiring/stand_in.h"

namespace reprise::seam {
namespace {

// Never destroyed: the process may end while it is set.
constinit Policy* stand_in = nullptr;

}  // namespace

void StandInPolicy::set(std::unique_ptr<Policy> policy) {
  delete stand_in;
  stand_in = policy.release();
}

size_t StandInPolicy::choose(const Decision& decision) {
  return stand_in != nullptr ? stand_in->choose(decision) : inner_->choose(decision);
}

uint64_t StandInPolicy::draw(const Decision& decision) {
  if (decision.kind == DecisionKind::interrupt || stand_in == nullptr) return inner_->draw(decision);
  return stand_in->draw(decision);
}

}  // namespace reprise::seam
