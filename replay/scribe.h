// The scribe: the parent's side of a run. It starts the stage, keeps the tape moving while the
// program runs, and learns how it ended.
//
// Recording, it drains the ring into a TraceWriter, or, if there is none, drops what comes
// (mode run). Replaying, it feeds the ring from a TraceReader. It never makes a system call for a
// record.
//
// One thread, and one more where it takes children's output. While a Scribe exists, the terminal's signals (SIGINT,
// SIGQUIT, SIGHUP) and SIGPIPE end nothing here and have their former disposition in the child: the group gets them,
// and the scribe finishes the trace of a program that they ended. SIGTERM, which supervisors send to one process, is
// passed on to the child. Of SIGINT and SIGTERM the last is raised again when the Scribe goes, if the caller has a
// handler of its own. SIGCHLD ends a wait. One Scribe at a time in a process.
#pragma once

#include <csignal>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replay/child_output.h"
#include "replay/error.h"
#include "replay/tape_file.h"
#include "replay/trace_reader.h"
#include "replay/trace_writer.h"
#include "replay/watchdog.h"

namespace reprise::trace {

// How the child and its tape ended.
struct RunEnd {
  int wait_status = 0;
  Error trace_error;          // the first thing that went wrong with the trace, if any
  uint64_t scribe_cpu_ns = 0;
  uint64_t duration_ns = 0;
};

// Small, so that it stays in a processor's cache and its pages are soon all there. The price: a
// program that makes records faster than the scribe takes them waits sooner.
inline constexpr uint64_t kRingBytes = 4u << 20;

class Scribe {
 public:
  explicit Scribe(TapeFile& tape);
  ~Scribe();
  Scribe(const Scribe&) = delete;
  Scribe& operator=(const Scribe&) = delete;

  // Forks and executes argv[0] with this environment. In the child, `tape.fd()` and `report_fd`
  // stay open under the same numbers. False and *why if it could not be executed.
  bool start(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
             int report_fd, std::string* why);

  // Drains until the child is gone and the ring empty. `writer` may be null. The writer is flushed
  // but not finished. If writing fails, draining goes on and the first error is returned.
  RunEnd record(TraceWriter* writer, const std::vector<std::string>& redacted);

  // Feeds until the child is gone. A broken trace kills the child.
  RunEnd replay(TraceReader& reader);

  // Looks for loops that never give way: a thread that computes for `limit_ns` of CPU time without
  // an event while others could run ends the run. 0: does not look. REQUIRES: before start().
  void watch(uint64_t limit_ns) { watch_ns_ = limit_ns; }

  // If the stage ends the run by a verdict of its own, it halts the program first and `look` is called.
  // REQUIRES: before start().
  void on_halt(std::function<void(pid_t child)> look);

  // Recording: what child processes write to the program's stdout and stderr goes on the trace.
  // REQUIRES: before start().
  void take_child_output() { children_ = std::make_unique<ChildOutput>(tape_); }

 private:
  // Sleeps until the child is gone or the time is over. True: gone. Passes a SIGTERM on.
  bool child_gone(int64_t nap_ns);
  // Recording: sleeps until there is something to do, and does what child_gone() does.
  void await_records();
  uint64_t drain(TraceWriter* writer, Error& failed);
  void flush(TraceWriter& writer, Error& failed);
  void put_child_output(TraceWriter* writer, Error& failed);
  Error put_end(TraceWriter& writer, int wait_status);
  void release(uint64_t position);
  bool feed_chunk(const DecodedChunk& chunk);  // false: the child is gone
  bool make_room(uint64_t bytes);
  void publish();
  void reap(RunEnd& end);

  TapeFile& tape_;
  pid_t child_ = -1;
  int pidfd_ = -1;
  bool gone_ = false;
  void look_at_halted();

  uint64_t watch_ns_ = 0;
  std::function<void(pid_t)> on_halt_;
  Watchdog watchdog_;
  std::unique_ptr<ChildOutput> children_;
  std::deque<ChildOutput::Piece> pieces_;  // not on the trace yet
  uint64_t position_ = 0;    // record: drained to here. replay: written to here
  struct sigaction former_[4] {}, former_terminate_ {}, former_child_ {};
};

}  // namespace reprise::trace
