// Runs of a trace's program, from fork servers: loaded and booted once, forked for every run.
//
// A run differs from one that is started anew in what the program found outside when it started: all have the same
// random bytes, times and files of then. So what is to be kept has to be made once more, anew. Nothing is recorded;
// output goes nowhere, input is empty.
//
// One thread, from the first run to destruction (tools/fuzz/fork_server.h).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "replay/trace_types.h"
#include "tools/cli/tried.h"
#include "tools/fuzz/fork_server.h"

namespace reprise::cli {

class ServedRuns {
 public:
  // `jobs`: servers, and runs at a time.
  ServedRuns(const trace::Header& header, std::string stage, uint32_t control_options, unsigned jobs, double limit_s,
             double watchdog_s);

  // One run for each list, in order. False: the program cannot be run this way (it has threads before main, made
  // processes, which would outlive a run, or its server died), and *out is to be forgotten.
  bool runs(const std::vector<trace::Deviations>& lists, std::vector<Tried>* out);

  bool has_served() const { return index_ != 0; }

 private:
  bool start();

  const fuzz::ServerOptions options_;
  const unsigned jobs_;
  const std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<fuzz::ForkServer>> servers_;
  uint64_t index_ = 0;  // of the next run
};

}  // namespace reprise::cli
