// Experiment: the program of a trace, run again in other ways.
//
// Replays the trace and sees what happens in it, or runs the program anew, with the recorded arguments,
// environment and directory, under a list of deviations from the default continuation. Runs that are only
// tried out are not recorded; their output goes nowhere, and their input is empty. Whatever the program
// does outside, it does again.
//
// A run that is started anew has a process of its own for its scribe. Many runs come from fork servers (served_runs.h),
// which load and boot the program once, as long as it can be forked and has no child processes, which would outlive
// the run; then they are started anew, too. Several may go on at a time. One thread. The reader outlives the experiment.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replay/observation.h"
#include "replay/trace_reader.h"
#include "tools/cli/served_runs.h"
#include "tools/cli/tried.h"

namespace reprise::cli {

class Experiment {
 public:
  struct Options {
    unsigned jobs = 1;
    double limit_s = 0;  // of one run; 0: from the recorded duration
    double watchdog_s = 0;
    bool anew = false;   // no fork servers
  };
  Experiment(trace::TraceReader& reader, std::string stage, std::string pack_root, Options options);

  Tried replay(uint64_t happenings = trace::kHappenings);

  // One for each list, in order; up to Options::jobs at a time.
  std::vector<Tried> runs(const std::vector<trace::Deviations>& lists);

  // The same, started anew.
  Tried run_anew(const trace::Deviations& deviations) { return runs_anew({deviations})[0]; }

  // True once if runs came from fork servers; from then on none do.
  bool stop_serving();

  // The same for one list, and a trace of it at `output`, which must be absolute. With an error, and where
  // the run does not fail like `like`, there is no trace.
  Tried record(const trace::Deviations& deviations, const std::string& output, const Ending& like);

  unsigned jobs() const { return options_.jobs; }

 private:
  struct Worker;
  std::vector<Tried> runs_anew(const std::vector<trace::Deviations>& lists);
  std::optional<Tried> start(Worker& worker, const trace::Deviations& deviations, uint64_t happenings);
  Tried finish(Worker& worker);
  void set_control(tape::Control& control, tape::Mode mode) const;

  trace::TraceReader& reader_;
  std::string stage_, pack_root_;
  Options options_;
  std::unique_ptr<ServedRuns> served_;  // null: no more
};

}  // namespace reprise::cli
