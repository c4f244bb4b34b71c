// A server for each run that may be on its way.
#include "tools/cli/served_runs.h"

#include <sys/resource.h>

#include <algorithm>

#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"

namespace reprise::cli {
namespace {

constexpr uint64_t kTapeBytes = 4 << 20;        // nothing comes on it
constexpr uint64_t kMostDeviations = 1 << 20;   // as many as happenings: room that is not touched is not there

fuzz::ServerOptions server_options(const trace::Header& header, std::string stage, uint32_t control_options, double limit_s,
                                   double watchdog_s) {
  fuzz::ServerOptions options;
  options.argv = header.arguments;
  options.stage = std::move(stage);
  options.environment = header.environment;
  options.directory = header.working_directory;
  options.policy = "steered";
  options.seed = header.seed;
  options.slice_ns = kSliceMicroseconds * 1000;
  options.tape_bytes = kTapeBytes;
  options.timeout_ns = nanoseconds(limit_s);
  options.control_options = control_options;
  options.spin_ns = nanoseconds(watchdog_s);
  options.recorded = false;
  options.happenings = trace::kHappenings;
  options.deviations = kMostDeviations;
  return options;
}

Tried tried_of(const fuzz::Run& run, const trace::TapeFile& tape) {
  Tried tried;
  tried.timed_out = run.overdue;
  if (tried.timed_out) return tried;
  tried.wait_status = run.wait_status;
  tried.verdict = run.verdict;
  tried.seen = trace::observation_of(tape);
  tried.ending = ending_of(tried.seen, run.wait_status, tape.control());
  return tried;
}

}  // namespace

ServedRuns::ServedRuns(const trace::Header& header, std::string stage, uint32_t control_options, unsigned jobs, double limit_s,
                       double watchdog_s)
    : options_(server_options(header, std::move(stage), control_options, limit_s, watchdog_s)),
      jobs_(jobs) {}

bool ServedRuns::start() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  while (servers_.size() < jobs_) {
    servers_.push_back(std::make_unique<fuzz::ForkServer>(options_, stop_));
    std::string why;
    if (!servers_.back()->start(&why)) return false;
  }
  return true;
}

bool ServedRuns::runs(const std::vector<trace::Deviations>& lists, std::vector<Tried>* out) {
  if (servers_.empty() && !start()) return false;
  for (size_t at = 0; at < lists.size(); at += jobs_) {
    const size_t size = std::min<size_t>(jobs_, lists.size() - at);
    for (size_t i = 0; i < size; ++i) {
      if (!trace::renew_side(servers_[i]->tape(), lists[at + i])) return false;
      servers_[i]->begin(index_++);
    }
    for (size_t i = 0; i < size; ++i) {
      const fuzz::Run run = servers_[i]->end();
      if (run.end != fuzz::Run::End::finished || run.had_children) return false;
      out->push_back(tried_of(run, servers_[i]->tape()));
    }
  }
  return true;
}

}  // namespace reprise::cli
