// Fixed places in the address space of a controlled program, beside those of tape.h.
//
// The program owns everything below tape::kProgramEnd; the same addresses are imposed in record and
// in replay, so that neither pointers nor what is hashed from them differ.
#pragma once

#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::stage {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kExecutableBase = 0x5555'5555'4000;
inline constexpr uint64_t kBrkBase = 0x5600'0000'0000;
inline constexpr uint64_t kBrkMax = 64ull << 30;
inline constexpr uint64_t kLowMapBase = 0x4000'0000;  // MAP_32BIT
inline constexpr uint64_t kLowMapEnd = 0x8000'0000;
inline constexpr uint64_t kMapBase = 0x7c00'0000'0000;
inline constexpr uint64_t kMapEnd = tape::kProgramArena;
inline constexpr uint64_t kInterpreterBase = 0x7d00'0000'0000;
inline constexpr uint64_t kStackEnd = 0x7d80'4000'0000;
inline constexpr uint64_t kMinStackBytes = 8 << 20;  // of the first thread, and at most a gigabyte,
inline constexpr uint64_t kMaxStackBytes = 1 << 30;  // as RLIMIT_STACK says when it is recorded

// The stage, the tape and the thread blocks: no call of the program may map, unmap or protect here.
inline constexpr uint64_t kStageEnd = tape::kRuntimeArena;

inline constexpr uint64_t kThreadBytes = 256 << 10;
// Buffers of calls that may block (bounce.h), one a thread; only what is used takes memory.
inline constexpr uint64_t kBounceBase = tape::kThreadBase + (uint64_t{1} << 35);
inline constexpr uint64_t kBounceBytes = 64 << 20;
// Vector state of code that signal handlers interrupted (signals.cc), one stack a thread.
inline constexpr uint64_t kVectorBase = tape::kThreadBase + (uint64_t{1} << 34);
inline constexpr uint64_t kVectorStackBytes = 4 << 20;
inline constexpr uint32_t kMaxThreads = 250;  // alive at once; Record::thread is a byte

// The stage's own descriptors lie from here up and are invisible to the program.
inline constexpr int kFirstDescriptor = 900;

constexpr uint64_t page_down(uint64_t at) { return at & ~(kPage - 1); }
constexpr uint64_t page_up(uint64_t at) { return (at + kPage - 1) & ~(kPage - 1); }

}  // namespace reprise::stage
