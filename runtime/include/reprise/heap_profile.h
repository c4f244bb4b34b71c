// Where the collected heap's memory comes from: a sample of allocations, each with the stack that made it.
//
// An allocation is sampled with probability 1 - exp(-size / rate), so one in every `rate` bytes on average, whatever the sizes. Off
// by default. While it is off allocations are as fast as ever; while it is on most are, since what is sampled next is known
// beforehand and found by the path that is taken once in 64 objects.
//
// In controlled modes the same allocations are sampled in record and replay: turning it on draws a seed through the seam, and the rest
// follows from it.
//
// Thread safety: any goroutine.
#pragma once

#include <cstddef>
#include <string>

namespace reprise {

// Bytes between two samples on average; 1: every allocation; 0: off. What was sampled stays. Returns the rate before.
size_t set_heap_profile_rate(size_t bytes);

// The samples so far, in the legacy text form of pprof ("heap profile: ..."): counts and bytes of sampled objects, alive (as of the
// last sweep) and in all, not scaled up; then return addresses, and for readers without a tool their functions. `pprof PROGRAM FILE`
// scales and names them. Lines are in order of bytes alive, then of first sample. Samples of earlier schedules of an exploration are among
// them. Reads debug information anew with each call, so takes long; blocks G, and M while files are read.
std::string heap_profile();

}  // namespace reprise
