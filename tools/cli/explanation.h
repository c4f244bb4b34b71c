// Explanation: what `reprise explain` found, as text and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/interleaving.h"
#include "tools/cli/ending.h"

namespace reprise::cli {

struct Explanation {
  std::string path, executable;
  Ending ending;
  trace::Weight recorded;                   // of the trace's own run
  bool shrunk = false;                      // `run` is the shortest that was found; else the trace's own
  std::string why_not;                      // why there is no more than that; empty: there is
  trace::Observation run;
  std::vector<trace::Operation> operations; // of `run`
  std::optional<trace::Pair> critical;
  Ending swapped;                           // how it ends with the critical pair the other way round
  size_t pairs = 0, tried = 0;
  std::vector<trace::Waiting> waiting;
  std::vector<seam::GoId> cycle;
};

// `rows` of the interleaving at most, the last ones; 0: all.
std::string explanation_text(const Explanation& explanation, size_t rows);
std::string explanation_json(const Explanation& explanation);

}  // namespace reprise::cli
