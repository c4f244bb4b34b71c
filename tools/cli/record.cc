// `reprise record`: a run and its trace.
//
// Order matters: whatever can be refused is refused before the trace file is touched; the trace file
// is locked before the program starts; the program's end is learned before the trace is renamed; and
// the last line on stderr says where the trace is and how to replay it.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"
#include "tools/cli/stop_request.h"

namespace reprise::cli {
namespace {

struct Plan {  // what is the same for every run of --until-failure
  std::string stage;
  Target target;
  std::string output;
};

// kvd.rpz, else kvd-1.rpz, ...: a trace that nobody named never replaces another.
std::string default_output(const std::string& program) {
  std::string stem = program.substr(program.rfind('/') + 1);
  for (int n = 0;; ++n) {
    std::string name = n == 0 ? stem + ".rpz" : fmt::format("{}-{}.rpz", stem, n);
    if (access(name.c_str(), F_OK) != 0 && access(trace::part_path(name).c_str(), F_OK) != 0) return name;
  }
}

struct Recorded {
  bool started = false;
  int status = kUsage;      // Reprise's own verdict, or -1
  int wait_status = 0;
  bool failed() const { return status >= 0 || wait_status != 0; }
};

// The tape beside the trace, or in memory where there is no room for it.
trace::Error create_tape(trace::TapeFile& tape, const std::string& output) {
  std::string path = trace::tape_path(output);
  trace::Error e = tape.create(path, trace::kRingBytes);
  if (!e) return e;
  unlink(path.c_str());
  say("warning: " + e.text() + "; the tape is in memory, and is lost if the recorder is killed");
  return tape.create("", trace::kRingBytes);
}

void report(const trace::TraceWriter& writer, const trace::RunEnd& end, const std::string& note) {
  const trace::Footer& totals = writer.totals();
  say(fmt::format("{}; {} records, {} bytes{}. Replay: reprise replay {}", describe(end.wait_status),
                  grouped(totals.records), grouped(writer.file_bytes()), note,
                  shell_word(writer.path())));
}

// Ends the trace and says so. The exit status if the trace is not what was asked for, else -1.
// With --until-failure, a run that passed is nothing to speak of: its trace goes.
int finish(trace::TraceWriter& writer, const tape::Control& control, const trace::RunEnd& end,
           const Plan& plan, bool passed_is_news) {
  trace::Footer footer;
  footer.wait_status = end.wait_status;
  footer.events = control.events;
  footer.fingerprint = control.fingerprint;
  footer.memory_hash = control.memory_hash;
  footer.duration_ns = end.duration_ns;
  if (control.verdict == tape::Verdict::detached) footer.cut_off = "the program left the tape";
  trace::Error error = end.trace_error;
  trace::Error finished = writer.finish(footer);
  if (!error) error = finished;
  unlink(trace::tape_path(writer.path()).c_str());
  if (error) {
    say(fmt::format("warning: {}; the trace is cut off after {} bytes", error.text(),
                    grouped(writer.file_bytes())));
    return kIncomplete;
  }
  bool alone = writer.totals().decisions() == 0 && !plan.target.links_reprise;
  if (!passed_is_news && end.wait_status == 0 && footer.cut_off.empty()) return -1;
  report(writer, end, alone ? " (the program does not link Reprise: recorded by the stage alone)" : "");
  return footer.cut_off.empty() ? -1 : kIncomplete;
}

Recorded record_once(const RecordOptions& options, const Plan& plan, uint64_t seed) {
  Recorded result;
  std::string why;
  trace::TraceWriter writer;
  trace::TapeFile tape;
  if (trace::Error e = writer.open(plan.output)) return say(e.text()), result;
  auto give_up = [&] {
    writer.discard();
    unlink(trace::tape_path(plan.output).c_str());
    say(why);
    return result;
  };
  if (trace::Error e = create_tape(tape, plan.output)) return why = e.text(), give_up();
  if (!set_control(tape.control(), tape::Mode::record, options, seed, &why)) return give_up();
  trace::Error header_error = writer.begin(header_for(plan.target, options, tape.control().options, seed, options.redact));
  trace::Scribe scribe(tape);
  scribe.watch(nanoseconds(options.watchdog_s));
  std::string goroutines;
  report_goroutines_of(scribe, tape.control(), &goroutines);
  scribe.take_child_output();
  int report_fd = dup(2);
  auto argv = stage_argv(plan.stage, tape, report_fd, plan.target.argv);
  if (!scribe.start(argv, environment(), report_fd, &why)) return give_up();
  close(report_fd);
  result.started = true;
  trace::RunEnd end = scribe.record(&writer, options.redact);
  if (header_error) end.trace_error = header_error;
  result.wait_status = end.wait_status;
  stage_verdict(tape.control(), false, goroutines, &result.status);
  if (result.status == kUsage) {
    writer.discard();
    unlink(trace::tape_path(plan.output).c_str());
    return result;
  }
  int trace_status = finish(writer, tape.control(), end, plan, options.until_failure == 0);
  if (trace_status >= 0) result.status = trace_status;
  if (options.verbose) {
    say(fmt::format("scribe: {} ns of CPU for {} records", end.scribe_cpu_ns, writer.totals().records));
  }
  return result;
}

int conclude(const RecordOptions& options, const Recorded& result) {
  std::string line = result.status == kIncomplete ? "incomplete"
                     : result.status >= 0         ? "failed"
                                                  : describe(result.wait_status);
  write_status(options.status_file, line);
  return result.status >= 0 ? result.status : end_as(result.wait_status);
}

int none_failed(const RecordOptions& options, uint64_t seed, uint64_t runs, bool interrupted) {
  say(fmt::format("{}no failure in {} runs, seeds {} to {}; no trace kept", interrupted ? "interrupted: " : "", runs,
                  seed, seed + runs - 1));
  write_status(options.status_file, interrupted ? "interrupted" : describe(0));
  return interrupted ? kInterrupted : kOk;
}

int until_failure(const RecordOptions& options, const Plan& plan, uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kEvery = std::chrono::seconds(5);
  StopRequest stop;
  auto next_word = Clock::now() + kEvery;
  for (uint64_t run = 0; run < options.until_failure; ++run) {
    Recorded result = record_once(options, plan, seed + run);
    if (result.started && result.failed()) say(fmt::format("run {} failed, seed {}", run + 1, seed + run));
    if (!result.started || result.failed()) return conclude(options, result);
    unlink(plan.output.c_str());
    if (StopRequest::came()) return none_failed(options, seed, run + 1, true);
    if (Clock::now() < next_word) continue;
    say(fmt::format("no failure yet in {} runs", run + 1));
    next_word = Clock::now() + kEvery;
  }
  return none_failed(options, seed, options.until_failure, false);
}

}  // namespace

int record(const RecordOptions& options, const Program& program) {
  std::string why;
  Plan plan;
  if (nested()) return say("record: already inside a recorded program"), kUsage;
  plan.stage = find_stage(&why);
  if (plan.stage.empty() || !resolve(program, plan.target, &why)) return say(why), kUsage;
  if (options.hash_memory && !options.redact.empty()) {
    return say("--hash-memory and --redact-env exclude each other: a redacted stack hashes differently"),
           kUsage;
  }
  if (!check_world(options, plan.target, &why)) return say(why), kUsage;
  plan.output = options.output.empty() ? default_output(program[0]) : options.output;
  uint64_t seed = options.seed.value_or(random_seed());
  if (options.until_failure > 0) return until_failure(options, plan, seed);
  return conclude(options, record_once(options, plan, seed));
}

}  // namespace reprise::cli
