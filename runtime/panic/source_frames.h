// Source-level frames by libdwfl: what tracebacks print.
//
// Used by the runtime on its own process and by the `reprise` command on another. Thread safety: as
// libdwfl, one thread at a time. Allocates.
#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <string>
#include <vector>

namespace reprise::rt {

// One source-level frame; inlined functions are frames of their own.
struct SourceFrame {
  std::string function;  // demangled, "??" if unknown
  std::string file;      // empty if unknown
  int line = 0;
  uint64_t offset = 0;   // of the pc from the function's first byte; 0 for inlined functions
};

// The frames at pc, innermost first; at least one. `exact`: pc is where the frame stopped; else it is
// a return address, and the call before it is meant. Null: nothing is known.
std::vector<SourceFrame> source_frames(Dwfl* dwfl, uint64_t pc, bool exact);

// How goroutines wait, start and throw; frames without a name are the C++ library's.
bool is_runtime_frame(const SourceFrame& frame);

// A frame as the reference prints it, two lines. `created_in` not 0: as the creator of a goroutine, in
// that goroutine.
std::string frame_text(const SourceFrame& frame, uint64_t created_in = 0);

}  // namespace reprise::rt
