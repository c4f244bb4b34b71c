// From the tape to a trace, and the replay in a process of its own: the very command that is printed.
#include "tools/fuzz/keep.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replay/records.h"
#include "replay/trace_writer.h"
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

// Exit status, or minus the signal; its words in *said. A loop at the end of what was recorded need not be
// watched for long.
int replay_status(const std::string& path, std::string* said) {
  const int output = memfd_create("replay", MFD_CLOEXEC);
  std::string own = cli::own_path(), command = "replay", trace = path;
  std::string option = "--watchdog", seconds = "1";
  char* argv[] = {own.data(), command.data(), option.data(), seconds.data(), trace.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);  // out of reach of a Ctrl-C, which ends the search only
  pid_t child = 0;
  int status = 0;
  const int failed = posix_spawn(&child, own.c_str(), &files, &how, argv, environ);
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  while (failed == 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  char text[4096];
  const off_t end = lseek(output, 0, SEEK_END);
  const off_t from = end > static_cast<off_t>(sizeof text) ? end - static_cast<off_t>(sizeof text) : 0;
  const ssize_t n = pread(output, text, sizeof text, from);
  *said = failed != 0 ? std::strerror(failed) : std::string(text, n > 0 ? static_cast<size_t>(n) : 0);
  close(output);
  if (failed != 0) return cli::kUsage;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
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
  std::string said;
  const int status = replay_status(path, &said);
  kept.confirmed = status == expected_status(run);
  if (!kept.confirmed) kept.trouble = "its replay ended otherwise (" + std::to_string(status) + "):\n" + said;
  return kept;
}

}  // namespace reprise::fuzz
