// Clocks: monotonic and wall time, real or virtual.
//
// The real clock is the kernel's; under the stage every reading is on the tape. The virtual clock
// stands still while anything can run and jumps to the next deadline when nothing can, so a program
// of sleeps runs at once and its timing depends on the schedule alone.
//
// A *round's sample* is one reading shared by everything that the runtime decides in a scheduling
// round. A program's own readings and the start of a timer are always fresh: a round lasts as long
// as a goroutine computes, and a deadline counted from its beginning would come too soon.
//
// Without a policy, where many threads decide at once, there are no samples: each reading is fresh.
//
// Thread safety: any thread for the readings; the rest on g0 or before goroutines exist.
#pragma once

#include <cstdint>

namespace reprise::rt {

int64_t nanotime();        // monotonic, nanoseconds
int64_t walltime();        // since 1970-01-01 UTC, nanoseconds
int64_t nanotime_round();  // the round's sample
// For measurements that may be late: under a policy, a sample of the last kCoarseRounds rounds, since
// each reading of the real clock is a record on the tape. Else a reading.
int64_t nanotime_coarse();
inline constexpr uint64_t kCoarseRounds = 64;

// Reads the clock anew for the round. g0.
int64_t clock_sample();

enum class ClockKind : uint8_t { real, simulated };
// Chooses the clock. The virtual one starts at kVirtualStartNs, wall time at kVirtualEpochNs.
// REQUIRES: no timer is set.
void clock_use(ClockKind kind);
bool clock_is_virtual();
// Moves the virtual clock forward; does nothing if `when` is past. g0.
void clock_advance_to(int64_t when_ns);

inline constexpr int64_t kVirtualStartNs = 1'000'000'000;
inline constexpr int64_t kVirtualEpochNs = 946'684'800'000'000'000;  // 2000-01-01 UTC

}  // namespace reprise::rt
