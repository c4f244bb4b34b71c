// Answers from the tape.
#include "replay/follower.h"

#include <cstdio>
#include <cstdlib>

#include "replay/decision_check.h"
#include "runtime/seam/default_choice.h"

namespace reprise::replay {

size_t FollowPolicy::choose(const seam::Decision& decision) {
  const int64_t code = table_.note(record_kind(decision.kind), decision_check(decision), 0);
  const size_t index = seam::decode_choice(decision, code);
  if (index != kDefault && index >= decision.candidates.size()) diverge(decision, code, "a choice among the candidates");
  return index;
}

uint64_t FollowPolicy::draw(const seam::Decision& decision) {
  return static_cast<uint64_t>(table_.note(record_kind(decision.kind), decision_check(decision), 0));
}

void FollowPolicy::diverge(const seam::Decision& decision, int64_t value, const char* expected) {
  char text[320];
  snprintf(text, sizeof text,
           "divergence at a %s decision: step %llu, goroutine %016llx%016llx, %zu candidates; "
           "expected %s, the trace holds %lld",
           name_of(decision.kind), static_cast<unsigned long long>(decision.step),
           static_cast<unsigned long long>(decision.chooser.hi),
           static_cast<unsigned long long>(decision.chooser.lo), decision.candidates.size(),
           expected, static_cast<long long>(value));
  table_.fail(tape::Verdict::divergence, text);
  abort();  // fail() does not return; the attribute is not part of its type
}

}  // namespace reprise::replay
