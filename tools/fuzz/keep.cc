// From the tape to a trace, and the replay in a process of its own: the very command that is printed.
#include "tools/fuzz/keep.h"

#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "replay/records.h"
#include "replay/trace_writer.h"
#include "tools/cli/apart.h"
#include "tools/cli/outcome.h"

namespace reprise::fuzz {
namespace {

trace::Error put_records(const trace::TapeFile& tape, trace::TraceWriter& writer) {
  const uint64_t written = tape.control().written;
  trace::RecordView record;
  for (uint64_t at = 0; at < written;) {
    if (!record.parse({tape.at(at), written - at})) {
      return {trace::Error::Kind::io, "tape", at, "the program put a torn record on it"};
    }
    at += record.size();
    if (trace::Error e = writer.add(record, at)) return e;
  }
  return trace::add_packed(tape.control(), writer);
}

// As the scribe does it (replay/scribe.cc): a signal that the stage did not see coming ends the trace.
trace::Error put_end(const Run& run, const trace::TapeFile& tape, trace::TraceWriter& writer) {
  if (tape.control().finished || !WIFSIGNALED(run.wait_status) || WTERMSIG(run.wait_status) == SIGKILL) return {};
  std::vector<std::byte> bytes;
  trace::append_record(bytes, {tape::kEnd, 0, 0, 0, run.wait_status}, {});
  trace::RecordView record;
  record.parse(bytes);
  return writer.add(record, tape.control().written);
}

bool cut_off(const Run& run) { return run.killed || run.verdict != tape::Verdict::none; }

trace::Error write_trace(const Run& run, const ForkServer& server, const cli::Target& target,
                         trace::TraceWriter& writer) {
  cli::RunOptions options;
  options.policy = server.options().policy;
  const tape::Control& control = server.tape().control();
  if (trace::Error e = writer.begin(cli::header_for(target, options, control.options, server.options().seed, {}))) return e;
  if (trace::Error e = put_records(server.tape(), writer)) return e;
  if (trace::Error e = put_end(run, server.tape(), writer)) return e;
  if (trace::Error e = writer.flush()) return e;
  trace::Footer footer;
  footer.wait_status = run.wait_status;
  footer.events = control.events;
  footer.fingerprint = control.fingerprint;
  if (cut_off(run)) footer.cut_off = run.killed ? "killed: its time was over" : run.message.substr(0, run.message.find('\n'));
  return writer.finish(footer);
}

int expected_status(const Run& run) {
  if (cut_off(run)) return cli::kIncomplete;
  return WIFEXITED(run.wait_status) ? WEXITSTATUS(run.wait_status) : -WTERMSIG(run.wait_status);
}

// Far more than a run's replay takes. A loop at the end of what was recorded need not be watched for long.
constexpr int kReplayLimitMs = 300'000;

// Empty: it ended as the run did.
std::string trouble_of_replay(const Run& run, const std::string& path) {
  constexpr size_t kSaid = 4096;
  const cli::Ended ended =
      cli::run_apart({cli::own_path(), "replay", "--watchdog", "1", path}, cli::own_environment(), kReplayLimitMs);
  if (ended.start_error != 0) return "its replay could not be started: " + std::string(std::strerror(ended.start_error));
  if (!ended.in_time) return "its replay did not end";
  if (ended.status() == expected_status(run)) return {};
  const std::string said = ended.output.substr(ended.output.size() - std::min(ended.output.size(), kSaid));
  return "its replay ended otherwise (" + std::to_string(ended.status()) + "):\n" + said;
}

}  // namespace

Kept keep(const Run& run, const ForkServer& server, const cli::Target& target, const std::string& path) {
  Kept kept;
  if (run.verdict == tape::Verdict::detached) {
    kept.trouble = "the run was too long for the tape; --tape-mib makes it longer";
    return kept;
  }
  trace::TraceWriter writer;
  trace::Error error = writer.open(path);
  if (!error) error = write_trace(run, server, target, writer);
  if (error) {
    writer.discard();
    kept.trouble = error.text();
    return kept;
  }
  kept.path = path;
  kept.trouble = trouble_of_replay(run, path);
  kept.confirmed = kept.trouble.empty();
  return kept;
}

}  // namespace reprise::fuzz
