// `reprise replay`: runs a trace's program again, from the trace alone.
//
// The program's output is its own in the first run and swallowed in the others. A run counts as the
// same if the stage saw no difference, it ended with the recorded wait status, and after the same
// number of events with the same fingerprint (and memory hash, where both sides have one).
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "runtime/seam/fault_set.h"
#include "tools/cli/command.h"
#include "tools/cli/gdb.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"
#include "tools/cli/probes.h"
#include "tools/cli/stop_request.h"
#include "tools/cli/trace_files.h"

namespace reprise::cli {
namespace {

void set_replay_control(tape::Control& control, const trace::Header& header,
                        const ReplayOptions& options, const std::string& pack_root, bool quiet) {
  control.mode = tape::Mode::replay;
  control.seed = header.seed;
  header.policy.copy(control.policy, sizeof control.policy - 1);
  pack_root.copy(control.file_root, sizeof control.file_root - 1);
  control.until_event = options.until.value_or(~uint64_t{0});
  control.options = option(tape::kHashMemory, options.hash_memory) |
                    option(tape::kVerbose, options.verbose) | option(tape::kReplayQuiet, quiet) |
                    option(tape::kOtherFiles, options.force) | (header.options & (tape::kStrict | seam::kWorldOptions));
}

// What differs from the recording; empty if nothing does.
std::string difference(const trace::Footer& recorded, const tape::Control& control,
                       const trace::RunEnd& end) {
  if (end.wait_status != recorded.wait_status) {
    return fmt::format("expected that it {}, but after {} events it {}",
                       describe(recorded.wait_status), grouped(control.events),
                       describe(end.wait_status));
  }
  if (control.events != recorded.events) {
    return fmt::format("expected {} events, it ended after {}", grouped(recorded.events),
                       grouped(control.events));
  }
  if (control.fingerprint != recorded.fingerprint) {
    return fmt::format("expected fingerprint {:016x}, got {:016x}: an argument or an output byte "
                       "differs in the last {} events",
                       recorded.fingerprint, control.fingerprint, tape::kCheckpointEvents);
  }
  if (control.memory_hash != 0 && recorded.memory_hash != 0 &&
      control.memory_hash != recorded.memory_hash) {
    return fmt::format("expected memory hash {:016x}, got {:016x}", recorded.memory_hash,
                       control.memory_hash);
  }
  return {};
}

struct Replayed {
  int status = -1;  // Reprise's verdict, -1: the same as recorded, unless interrupted
  bool interrupted = false;
  int wait_status = 0;
  uint64_t fingerprint = 0, memory_hash = 0, events = 0;
};

class Replay {
 public:
  Replay(const ReplayOptions& options, trace::TraceReader& reader, std::string stage,
         std::string pack_root)
      : options_(options), reader_(reader), stage_(std::move(stage)), pack_root_(std::move(pack_root)) {}

  Replayed once(bool quiet) {
    std::string why;
    trace::TapeFile tape;
    reader_.rewind();
    if (trace::Error e = tape.create("", trace::kRingBytes, tape_bytes())) return fail(e.text(), kUsage);
    set_replay_control(tape.control(), reader_.header(), options_, pack_root_, quiet);
    trace::Scribe scribe(tape);
    std::string goroutines;
    if (!options_.gdb) {  // gdb computes for long, and the child is not the program
      scribe.watch(nanoseconds(options_.watchdog_s));
      report_goroutines_of(scribe, tape.control(), &goroutines);
    }
    int report = dup(2);
    auto argv = stage_argv(stage_, tape, report, {});
    if (options_.gdb) argv = gdb_argv(argv, reader_, pack_root_);
    bool started = scribe.start(argv, environment(), report, &why);
    close(report);
    if (!started) return fail(why, kUsage);
    trace::RunEnd end = scribe.replay(reader_);
    if (end.trace_error) return fail(end.trace_error.text(), kBadTrace);
    return judge(tape.control(), end, goroutines);
  }

 private:
  static Replayed fail(const std::string& text, int status) {
    say(text);
    Replayed result;
    result.status = status;
    return result;
  }

  Replayed judge(const tape::Control& control, const trace::RunEnd& end,
                 const std::string& goroutines) {
    Replayed result;
    result.wait_status = end.wait_status;
    result.fingerprint = control.fingerprint;
    result.memory_hash = control.memory_hash;
    result.events = control.events;
    stage_verdict(control, true, goroutines, &result.status);
    if (options_.gdb && result.status < 0) return judge_under_gdb(control, result);
    if (result.status >= 0) return result;
    result.interrupted = interrupted(end);
    if (result.interrupted) return result;
    if (!reader_.footer()) {
      return fail(fmt::format("the trace is cut off, but the program {} after event {}",
                              describe(end.wait_status), grouped(control.events)), kDiverged);
    }
    std::string differs = difference(*reader_.footer(), control, end);
    if (differs.empty() && options_.until) {
      say(fmt::format("event {} was not reached: the run has {}", *options_.until, grouped(control.events)));
    }
    return differs.empty() ? result : fail("divergence: " + differs, kDiverged);
  }

  // About how many bytes the records take on the tape.
  uint64_t tape_bytes() const {
    constexpr uint64_t kHeadAndLengths = sizeof(tape::Record) + 8;
    const std::optional<trace::Footer>& footer = reader_.footer();
    return footer ? footer->records * kHeadAndLengths + footer->input_bytes : trace::kRingBytes;
  }

  // gdb's own status says nothing: what the stage left in Control does.
  Replayed judge_under_gdb(const tape::Control& control, Replayed result) {
    result.wait_status = 0;
    if (control.final && reader_.footer()) {
      bool same = control.fingerprint == reader_.footer()->fingerprint;
      say(fmt::format("fingerprint {:016x}, {}", control.fingerprint,
                      same ? "as recorded" : "which differs from the recording"));
      if (!same) result.status = kDiverged;
    }
    return result;
  }

  // Ended early by a signal that a person or a supervisor sends.
  bool interrupted(const trace::RunEnd& end) const {
    if (!WIFSIGNALED(end.wait_status)) return false;
    int sig = WTERMSIG(end.wait_status);
    bool outside = sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT || sig == SIGKILL;
    return outside && (!reader_.footer() || reader_.footer()->wait_status != end.wait_status);
  }

  const ReplayOptions& options_;
  trace::TraceReader& reader_;
  std::string stage_, pack_root_;
};

std::string verdict_line(const Replayed& r) {
  switch (r.status) {
    case -1: return describe(r.wait_status);
    case kOk: return "stopped";
    case kBadTrace: return "bad trace";
    case kDiverged: return "diverged";
    case kIncomplete: return "incomplete";
    default: return "failed";
  }
}

void print_run(uint64_t run, uint64_t times, const Replayed& r) {
  std::string memory = r.memory_hash ? fmt::format(" memory {:016x}", r.memory_hash) : "";
  fmt::print("run {} of {}: fingerprint {:016x}{} events {} {}\n", run + 1, times, r.fingerprint, memory,
             r.events, r.status < 0 || r.status == kIncomplete ? "same" : "DIFFERS");
  std::fflush(stdout);
}

}  // namespace

int replay(const ReplayOptions& options) {
  std::string why;
  if (nested()) return say("replay: already inside a recorded program"), kUsage;
  std::string stage = find_stage(&why);
  if (stage.empty()) return say(why), kUsage;
  trace::TraceReader reader;
  if (trace::Error e = open_trace(options.path, reader)) return say(e.text()), kBadTrace;
  std::string pack_root = pack_root_of(options.path);
  trace::Error wrong = check_objects(reader, pack_root);
  if (wrong && !pack_root.empty() && !check_objects(reader, "")) {
    pack_root.clear();  // a pack of an earlier trace of this name; the recorded files are where they were
    wrong = {};
  }
  if (wrong && !options.force) return say(wrong.text() + " (--force replays all the same)"), kBadTrace;
  if (reader.header().options & tape::kStrict && failure_of(try_cpuid) != 0) {
    return say("this trace was recorded with --strict: its replay needs cpuid faulting (reprise doctor)"), kUsage;
  }
  Replay runs(options, reader, stage, pack_root);
  std::optional<StopRequest> stop;
  if (options.times > 1) stop.emplace();
  Replayed last;
  for (uint64_t run = 0; run < options.times; ++run) {
    last = runs.once(run > 0);
    if (last.interrupted) break;
    if (options.times > 1) print_run(run, options.times, last);
    if (last.status >= 0 && last.status != kIncomplete) break;
    if (!StopRequest::came() || run + 1 == options.times) continue;
    say(fmt::format("interrupted after {} of {} replays", run + 1, options.times));
    write_status(options.status_file, "interrupted");
    return kInterrupted;
  }
  write_status(options.status_file, verdict_line(last));
  if (last.status == kIncomplete && reader.footer()) {
    say(fmt::format("the recorded program {}", describe(reader.footer()->wait_status)));
  }
  return last.status >= 0 ? last.status : end_as(last.wait_status);
}

}  // namespace reprise::cli
