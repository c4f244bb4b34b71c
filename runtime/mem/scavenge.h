// The scavenger: gives pages of free spans back to the kernel.
//
// A page is scavenged if it holds no memory: never touched, or released by MADV_DONTNEED. Then it reads as zeros, so what is
// allocated from such pages needs no zeroing. Highest addresses go first, since allocation takes the lowest.
//
// Three callers: the background goroutine of native mode, paced to a hundredth of a CPU, while more is retained than the
// goal allows; an allocation that would pass the memory limit, before it; `scavenge_all`. In controlled modes there is no
// background: the collector's end of a cycle scavenges to the goal on the spot, which is a deterministic point.
//
// Thread safety: any thread; takes mheap_.lock, and not while the kernel works.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

// How many bytes the heap may retain, in use or free but not released; the collector sets it at the end of a cycle (the next
// heap goal and a tenth), and once more when all is swept. Wakes the background, or in controlled modes scavenges to the goal at once.
// Goroutine or g0.
void scavenge_set_goal(uint64_t retain_bytes);
// Starts the background goroutine; native mode, once. On a goroutine.
void bgscavenge_start();
// Returns when the background goroutine waits to be asked: it neither runs nor sleeps. What it had to do is left to the next
// cycle's goal. Goroutine; native mode.
void scavenge_quiesce();
// Releases up to `bytes` of free pages; returns how many it released.
size_t scavenge(size_t bytes);
size_t scavenge_all();

// GOMEMLIMIT as a number of bytes of heap memory (in use, or free and not released), UINT64_MAX without one. Any thread.
void heap_set_memory_limit(uint64_t bytes);
uint64_t heap_memory_limit();

}  // namespace reprise::rt
