// Shrinking: the fewest deviations from the default continuation that still fail the same way.
//
// Delta debugging (Zeller, Hildebrandt, "Simplifying and isolating failure-inducing input", TSE 2002) over
// the deviations of a run: complements first, then single ones. Since deviations are keyed by goroutine and
// own step, taking some away leaves the others where they are. A run that fails replaces the list by what
// it really did, which drops all that never came up. The result is 1-minimal in runs that are a function
// of their decisions: without any one of its deviations the run does not fail that way.
//
// That is a local minimum: three preemptions may stand for one that is not among them. So a bounded search from the
// other end follows: of runs with one preemption near those that are left, then of runs with none and a few other
// choices, with one, and with two (iterative context bounding: Musuvathi, Qadeer, PLDI 2007), so many runs for each.
//
// The order of trials, and so the result, does not depend on how many run at a time. One thread; `Judge`
// may use more.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "replay/observation.h"

namespace reprise::trace {

struct Trial {
  bool fails = false;       // the same way
  Weight weight;            // if it fails
  Deviations deviations;    // the same: what it really did
  Deviations alternatives;  // what else it could have done (alternatives_of); whether it fails or not
};

// Runs each list; the answers in the same order.
using Judge = std::function<std::vector<Trial>(const std::vector<Deviations>& lists)>;

struct ShrinkOptions {
  size_t batch = 1;         // lists that Judge likes to have at once
  std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
  std::function<void(uint64_t runs, const Weight& best)> progress = {};
};

struct Shrunk {
  Deviations deviations;
  Weight weight;
  uint64_t runs = 0;
  bool minimal = false;     // false: time was up
};

// REQUIRES: `first` fails.
Shrunk shrink(const Trial& first, const Judge& judge, const ShrinkOptions& options);

}  // namespace reprise::trace
