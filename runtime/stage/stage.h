// What every part of the stage shares: the mode, the control page, the descriptors.
//
// Set once in start.cc before the program's first instruction; `mode` then changes only to `off`
// (a forked child) or from `record` to `run` (nobody reads the tape any more), under the baton.
#pragma once

#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::stage {

using tape::Mode;
using tape::Record;
using tape::Verdict;

extern Mode mode;
extern tape::Control* control;
extern int tape_fd;
extern int report_fd;
extern int stage_fd;  // the stage's own executable, for exec; -1 where /proc is not mounted

// The kernel is really asked. False: answers come from the tape.
inline bool live() { return mode != Mode::replay; }
inline bool option(tape::Option bit) { return control->options & bit; }

// A piece of memory that a record carries.
struct Segment {
  uint64_t at;
  uint32_t size;
};

}  // namespace reprise::stage
