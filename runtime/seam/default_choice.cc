// First in, first out, and the encoding of choices relative to it.
//
// Invariant: resolved(d, decode_choice(d, encode_choice(d, i))) == i for every i in range, whatever the
// default.
#include "runtime/seam/default_choice.h"

#include "runtime/seam/policy.h"

namespace reprise::seam {

size_t default_choice(const Decision& decision) {
  if (const CandidateSource* source = decision.candidates.source()) return source->oldest();
  // The stop is the last candidate (decision.h), so one look decides about all of them.
  std::span<const Candidate> candidates = decision.candidates.list();
  if (candidates.size() > 1 && candidates.back().op == OpKind::stop) {
    candidates = candidates.first(candidates.size() - 1);
  }
  size_t best = 0;
  uint64_t best_step = candidates[0].ready_step;
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (candidates[i].ready_step >= best_step) continue;
    best = i;
    best_step = candidates[i].ready_step;
  }
  return best;
}

size_t resolved(const Decision& decision, size_t answer) {
  return answer == Policy::kDefault ? default_choice(decision) : answer;
}

int64_t encode_choice(const Decision& decision, size_t index) {
  return index == default_choice(decision) ? 0 : static_cast<int64_t>(index) + 1;
}

size_t decode_choice(const Decision& decision, int64_t code) {
  const size_t count = decision.candidates.size();
  if (code == 0) return Policy::kDefault;
  if (code < 0 || static_cast<uint64_t>(code) > count) return count;
  return static_cast<size_t>(code) - 1;
}

}  // namespace reprise::seam
