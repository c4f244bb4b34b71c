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
#include "runtime/race/places.h"
#include "runtime/race/shadow.h"
#include "runtime/race/task.h"

namespace reprise::race {

extern std::atomic<bool> detecting;  // REPRISE_RACE: races are looked for. Relaxed: threads that take no turns clear it
// Until the next schedule nothing is looked for: somebody was seen whose doing is not known.
void lose_sight();
void detector_init();
void detector_forget();

// Both kept and new: `a` is to all bytes of `b`, and at least as strong.
inline bool includes(What a, What b) { return (b & ~a & (kBytes | kWrite << kHowShift)) == 0; }
// `a` is at least as strong, on whatever bytes.
inline bool covers(What a, What b) { return (b & ~a & kWrite << kHowShift) == 0; }

// An access that is about to happen, after its scheduling point. REQUIRES: bytes > 0.
void look_closely(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc);
inline void look_at(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  if (detecting.load(std::memory_order_relaxed)) look_closely(task, address, bytes, how, pc);
}

// One within a cell, which must be gone through with care: there is a race, or more than the cell has room for.
struct Now {
  Task* task;
  uint64_t address;
  What what;
  const void* pc;
};
void check_all(Cell* cell, const Now& now);

// The same for any cell: in line what is usual, a cell that has room, and nothing kept that is not ordered with the new access. What is
// dropped before it turns out not to be such a cell was to be dropped anyway.
[[gnu::always_inline]] inline void check(Cell* cell, Task* task, uint64_t address, What what, const void* pc) {
  Past* room = nullptr;
  for (Past& past : cell->past) {
    if (past.when == 0) {
      if (room == nullptr) room = &past;
      continue;
    }
    if (past.when == task->now) {
      if (includes(past.what, what)) return;
      if ((past.what ^ what) >> kHowShift == 0) return check_all(cell, {task, address, what, pc});
    } else if ((past.what & what & kBytes) != 0 && Epoch::slot(past.when) != task->slot && !task->clock.knows(past.when)) {
      return check_all(cell, {task, address, what, pc});
    }
    if (!covers(what, past.what)) continue;
    past.what &= ~(what & kBytes);
    if ((past.what & kBytes) != 0) continue;
    past.when = 0;
    if (room == nullptr) room = &past;
  }
  if (room == nullptr || cell->more != 0) return check_all(cell, {task, address, what, pc});
  *room = {.when = task->now, .place = place_of(task, pc), .what = what};
}

// Gives back what a cell has beyond its own room.
void drop_more(Cell* cell);

}  // namespace reprise::race
