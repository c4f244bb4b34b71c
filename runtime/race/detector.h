// The race detector: two accesses to the same bytes, one of them a write, not both atomic, that nothing
// orders.
//
// FastTrack (Flanagan and Freund, PLDI 2009) on bytes: a cell keeps the last accesses by epoch, as many as can
// still race with a later one, so every race with a kept access is seen, whatever the sizes. An access goes
// when a later one that it comes before is at least as strong on the same bytes.
//
// Thread safety: the baton.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/race/shadow.h"
#include "runtime/race/task.h"

namespace reprise::race {

extern std::atomic<bool> detecting;  // REPRISE_RACE: races are looked for. Relaxed: threads that take no turns clear it
// Until the next schedule nothing is looked for: somebody was seen whose doing is not known.
void lose_sight();
void detector_init();
void detector_forget();

void look_slowly(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc);

// An access that is about to happen, after its scheduling point.
inline void look_at(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  if (detecting.load(std::memory_order_relaxed)) look_slowly(task, address, bytes, how, pc);
}

// Gives back what a cell has beyond its own room.
void drop_more(Cell* cell);

}  // namespace reprise::race
