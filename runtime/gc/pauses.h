// How long the collector stopped the world: a histogram, four buckets to each doubling.
//
// A pause begins when the stop is asked for and ends when the others may run again, as the reference counts it. Native mode; in
// controlled modes nothing is stopped, and nothing is counted.
//
// Thread safety: pause_note() and pause_note_work() by the one driver; the rest any thread, exact while the world is stopped.
#pragma once

#include <reprise/mem.h>

#include <cstdint>

namespace reprise::rt {

// What was done in a pause, in things and not in time: none of it may grow with heap, roots, stacks or goroutines.
struct PauseWork {
  uint64_t spans = 0;          // given back by caches: one of each span class and P
  uint64_t barrier_words = 0;  // from the Ps' barrier buffers
  int64_t scanned_bytes = 0;   // what turned up grey
};

void pause_note(int64_t ns);
void pause_note_work(const PauseWork& work);
// The most of each in any pause so far.
PauseWork pause_most_work_for_test();
void pauses_add(MemStats* stats);

}  // namespace reprise::rt
