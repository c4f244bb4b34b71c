// Tracebacks: from a saved context to function names, files and lines.
//
// Thread safety: one traceback at a time; called while a report is being made (report.h), when other
// goroutines stand. Allocates, opens files of the program; not for paths that go on afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "asm/context.h"
#include "runtime/panic/source_frames.h"

namespace reprise::rt {

// Registers to start from, by DWARF number for amd64: 3 rbx, 6 rbp, 7 rsp, 12 to 15, 16 rip.
struct Registers {
  uint64_t r[17] = {};
};
Registers registers_of(const asm_::Gobuf& saved);

// The stack memory that a traceback may read.
struct StackBounds {
  uint64_t lo = 0;
  uint64_t hi = 0;
  const char* copy = nullptr;  // where the bytes of lo to hi are, if not there

  const void* at(uint64_t address) const {
    return copy != nullptr ? copy + (address - lo) : reinterpret_cast<const void*>(address);
  }
};

// Return addresses of the frames, innermost first, through call frame information. Stops at a frame
// without any, at the first frame of the goroutine, at the bounds. Returns how many were written.
size_t unwind(const Registers& start, StackBounds bounds, std::span<uint64_t> pcs);

// Calls f for each source frame at pc, innermost first. `exact`: pc is where the frame stopped; else
// it is a return address, and the call before it is meant.
void each_source_frame(uint64_t pc, bool exact, void (*f)(const SourceFrame&, void*), void* arg);

}  // namespace reprise::rt
