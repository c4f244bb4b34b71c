// Output of child processes.
//
// A child leaves the tape and writes for itself. Recording, its stdout and stderr, where they are those
// that the program started with, are pipes to the parent (replay/child_output.h), which passes on what
// comes and puts it on the trace. The stage's part is order: what a child wrote before the program
// learned of its end, or before the program itself wrote, stands before that, on the screen and on
// the trace. A terminal is left to the children: a pipe would change what they do.
//
// Thread safety: under the baton, but for what says otherwise.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

// At the start of an image: puts the pipes' descriptors where the program does not meet them.
void keep_child_pipes();
bool is_child_pipe(long fd);

// In a child that leaves the tape: its streams become the pipes. `kept`: what they were.
struct KeptStreams {
  static constexpr int kMost = 8;  // more descriptors than that stay redirected
  int count = 0;
  struct {
    int fd, copy;
    long flags;
  } streams[kMost];
};
void redirect_child_streams(KeptStreams* kept);
void restore_child_streams(const KeptStreams& kept);

// Waits until what children have written by now is out and has its place on the trace. May put the
// baton down.
void await_child_output();
// The same where the program ends, with the baton held; not while a thread is caught in a write.
void await_child_output_at_end();

// While it lives, no other thread and no child writes to stdout or stderr, if `call` does. Lasts from
// before the baton is put down to the call's record, so that the output is in the order of the records.
class OutputTurn {
 public:
  explicit OutputTurn(const Call& call);
  ~OutputTurn();
  OutputTurn(const OutputTurn&) = delete;
  OutputTurn& operator=(const OutputTurn&) = delete;

 private:
  const bool claimed_;
  bool locked_;
};

}  // namespace reprise::stage
