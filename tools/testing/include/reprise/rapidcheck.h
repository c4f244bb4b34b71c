// pick: an input from a RapidCheck generator, as a part of the schedule.
//
//   REPRISE_TEST(Queue, KeepsWhatIsPut) {
//     const auto values = reprise::pick(rc::gen::arbitrary<std::vector<int>>());
//     …
//   }
//
// The generator's randomness is one draw of the policy, so a schedule's replay has the same inputs, and inputs
// and interleaving vary together from schedule to schedule. Inputs are not shrunk.
//
// Thread safety: on a goroutine of the body.
#pragma once

#include <rapidcheck.h>
#include <reprise/explore.h>

namespace reprise {

// `size` is RapidCheck's: how large the value may be.
template <class T>
T pick(const rc::Gen<T>& generator, int size = 20) {
  return generator(rc::Random(explored_draw()), size).value();
}

}  // namespace reprise
