// Output of child processes, on its way through the recorder.
//
// Children of a recorded program leave the tape. The stage gives them pipes in place of the stdout and
// stderr that they inherit (runtime/stage/child_output.h); a thread here reads those, writes what comes
// to our own stdout and stderr, which are the program's, and notes where on the tape the program was.
// The scribe puts it on the trace at that place, as kChildOutput. One pipe serves both streams where
// they are one file, so that their order stays. A terminal is left to the children as it is.
//
// A child may outlive the program. What it writes then is passed on by a process of its own until
// nobody has the pipes any more, and is not on the trace.
//
// Thread safety: the members are called by the scribe's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "replay/tape_file.h"

namespace reprise::trace {

class ChildOutput {
 public:
  explicit ChildOutput(TapeFile& tape) : tape_(tape) {}
  ~ChildOutput();
  ChildOutput(const ChildOutput&) = delete;
  ChildOutput& operator=(const ChildOutput&) = delete;

  // Before the child is forked: makes the pipes and tells the stage. Where that fails, or where there
  // is nothing but terminals, children keep the program's streams.
  void open();
  // In the forked child, before it executes the stage.
  void pass_on_to_stage();
  // In the parent, after the fork.
  void start();

  struct Piece {
    uint64_t position;  // the program had put this much on the tape
    int stream;
    std::string bytes;
  };
  // Everything that is on the tape up to `*written`, which it loads, may be taken off it: no piece
  // will come for a position before that. Pieces are in order.
  void look(uint64_t* written, std::deque<Piece>& pieces);

  // The program is gone. Takes what is there; what comes later is passed on by another process.
  void finish();

 private:
  static constexpr int kStreams = 2;
  void loop();
  bool pass_on(int stream);  // false: nobody writes there any more
  void shut(int stream);
  void leave_a_forwarder();

  TapeFile& tape_;
  int read_end_[kStreams] = {-1, -1};
  int write_end_[kStreams] = {-1, -1};
  bool one_file_ = false;
  int stop_[2] = {-1, -1};
  std::thread thread_;
  std::mutex mutex_;
  std::deque<Piece> pieces_;  // guarded by mutex_
};

}  // namespace reprise::trace
