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

#include "runtime/race/access.h"
#include "runtime/race/shadow.h"
#include "runtime/race/task.h"

namespace reprise::race {

extern std::atomic<bool> detecting;  // REPRISE_RACE: races are looked for. Relaxed: threads that take no turns clear it
// Until the next schedule nothing is looked for: somebody was seen whose doing is not known.
void lose_sight();
void detector_init();
void detector_forget();

// Whatever conflicts with `b` conflicts with `a`.
inline bool covers(uint8_t a, uint8_t b) {
  const bool write = (a & kWrite) != 0 || (b & kWrite) == 0;
  const bool plain = (a & kAtomic) == 0 || (b & kAtomic) != 0;
  return write && plain;
}

// The task's access to these bytes adds nothing to one that it did without releasing anything since.
inline bool known_already(const Cell* cell, const Task* task, uint8_t bytes, uint8_t how) {
  for (const Past& past : cell->past) {
    if (past.when == task->now && (past.bytes & bytes) == bytes && covers(past.how, how)) return true;
  }
  return false;
}

void look_slowly(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc);

// An access that is about to happen, after its scheduling point. REQUIRES: bytes > 0.
inline void look_at(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  if (!detecting.load(std::memory_order_relaxed)) return;
  const uint64_t first = address & 7;
  const bool in_one = first + bytes <= 8;
  const auto mask = static_cast<uint8_t>(((1u << (bytes & 15)) - 1) << first);
  if (in_one && known_already(cell_of(address), task, mask, how)) return;
  look_slowly(task, address, bytes, how, pc);
}

// Gives back what a cell has beyond its own room.
void drop_more(Cell* cell);

}  // namespace reprise::race
