// Multiply-and-rotate over the words that name a decision. Not cryptographic: it must catch
// accidents, at next to no cost.
#include "replay/decision_check.h"

#include <bit>

#include "runtime/seam/tape.h"

namespace reprise::replay {
namespace {

uint64_t mix(uint64_t hash, uint64_t word) {
  return std::rotl(hash ^ word, 29) * 0x9e3779b97f4a7c15;
}

}  // namespace

uint32_t decision_check(const seam::Decision& decision) {
  uint64_t hash = mix(static_cast<uint64_t>(decision.kind) + 1, decision.chooser.lo);
  hash = mix(hash, decision.candidates.digest());
  hash = mix(hash, decision.candidates.size());
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

uint32_t record_kind(seam::DecisionKind kind) {
  return tape::kFirstDecision + static_cast<uint32_t>(kind);
}

}  // namespace reprise::replay
