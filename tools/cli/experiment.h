// Experiment: the program of a trace, run again in other ways.
//
// Replays the trace and sees what happens in it, or starts the program anew, with the recorded arguments,
// environment and directory, under a list of deviations from the default continuation. Runs that are only
// tried out are not recorded; their output goes nowhere, and their input is empty. Whatever the program
// does outside, it does again.
//
// Each run has a process of its own for its scribe, so that several may go on at a time. One thread. The
// reader outlives the experiment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/observation.h"
#include "replay/trace_reader.h"
#include "tools/cli/ending.h"

namespace reprise::cli {

struct Tried {
  std::string error;  // it could not be run; else empty
  bool timed_out = false;
  int wait_status = 0;
  tape::Verdict verdict = tape::Verdict::none;
  uint64_t events = 0, fingerprint = 0;
  Ending ending;
  trace::Observation seen;
};

class Experiment {
 public:
  struct Options {
    unsigned jobs = 1;
    double limit_s = 0;  // of one run; 0: from the recorded duration
    double watchdog_s = 0;
  };
  Experiment(trace::TraceReader& reader, std::string stage, std::string pack_root, Options options);

  Tried replay(uint64_t happenings = trace::kHappenings);

  // One for each list, in order; up to Options::jobs at a time.
  std::vector<Tried> runs(const std::vector<trace::Deviations>& lists, uint64_t happenings = trace::kHappenings);

  // The same for one list, and a trace of it at `output`, which must be absolute. With an error, and where
  // the run does not fail like `like`, there is no trace.
  Tried record(const trace::Deviations& deviations, const std::string& output, const Ending& like);

  unsigned jobs() const { return options_.jobs; }

 private:
  struct Worker;
  std::optional<Tried> start(Worker& worker, const trace::Deviations& deviations, uint64_t happenings);
  Tried finish(Worker& worker);
  void set_control(tape::Control& control, tape::Mode mode) const;

  trace::TraceReader& reader_;
  std::string stage_, pack_root_;
  Options options_;
};

}  // namespace reprise::cli
