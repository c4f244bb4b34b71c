// The subject of shrink, explain and verify: a trace that can be replayed, and what it holds if it fails.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "replay/shrink.h"
#include "tools/cli/command.h"
#include "tools/cli/experiment.h"

namespace reprise::cli {

struct Subject {
  std::string path, stage, pack_root;
  trace::TraceReader reader;
  std::unique_ptr<Experiment> experiment;
};

// Opens and vets; -1, or the exit status after having said why.
int open_subject(const char* command, const std::string& path, const Experiment::Options& options, Subject& out);

// Replays it once, observed. -1, or the exit status after having said why that did not do.
int replay_subject(Subject& subject, Tried& out);

// The failing run of the subject, made again from its decisions.
struct Reproduced {
  Tried replayed;        // what the trace holds
  trace::Trial trial;    // what the program did when it was run again under the same decisions
  bool again = false;    // it failed in the same way
  std::string why_not;   // one line
};

// REQUIRES: replayed.ending.fails().
Reproduced reproduce(Subject& subject, Tried replayed);

struct ShrinkBounds {
  double time_s = 60;
  bool progress = true;  // on stderr
};
trace::Shrunk shrink_subject(Subject& subject, const Reproduced& from, const ShrinkBounds& bounds);

// "1 preemption, 3 switches, 3 goroutines"
std::string weight_text(const trace::Weight& weight);

}  // namespace reprise::cli
