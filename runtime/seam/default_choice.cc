// First in, first out, and the encoding of choices relative to it.
//
// Invariant: decode_choice(d, encode_choice(d, i)) == i for every i in range, whatever the default.
#include "runtime/seam/default_choice.h"

namespace reprise::seam {

size_t default_choice(const Decision& decision) {
  const auto candidates = decision.candidates;
  size_t best = 0;
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (candidates[i].op == OpKind::stop) continue;
    if (candidates[best].op == OpKind::stop || candidates[i].ready_step < candidates[best].ready_step)
      best = i;
  }
  return best;
}

int64_t encode_choice(const Decision& decision, size_t index) {
  return index == default_choice(decision) ? 0 : static_cast<int64_t>(index) + 1;
}

size_t decode_choice(const Decision& decision, int64_t code) {
  const size_t count = decision.candidates.size();
  if (code == 0) return default_choice(decision);
  if (code < 0 || static_cast<uint64_t>(code) > count) return count;
  return static_cast<size_t>(code) - 1;
}

}  // namespace reprise::seam
