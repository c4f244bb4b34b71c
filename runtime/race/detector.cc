// FastTrack on cells of eight bytes.
//
// Invariant: of the accesses since the cell was emptied, a cell keeps for each byte every one p for which no
// later kept access q exists with p before q and q at least as strong as p (covers()). Whatever races
// with a dropped p races with its q too: what comes after q comes after p.
//
// Accesses beyond three a cell go to a chain of Mores.
#include "runtime/race/detector.h"

#include <algorithm>
#include <utility>

#include "runtime/race/access.h"
#include "runtime/race/clock.h"
#include "runtime/race/memory.h"
#include "runtime/race/places.h"
#include "runtime/race/report.h"
#include "runtime/race/sync.h"
#include "runtime/sched/proc.h"

namespace reprise::race {

std::atomic<bool> detecting = true;

namespace {

std::atomic<bool> lost = false;  // lose_sight(), with races wanted

struct alignas(64) More {
  Past past[3];
  uint32_t next;
};

constexpr uint32_t kMaxMores = 1u << 24;
More* mores = nullptr;
uint32_t next_more = 1;
uint32_t free_more = 0;

bool conflict(What a, What b) {
  const What either = (a | b) >> kHowShift;
  return (either & kWrites) != 0 && (either & kPlain) != 0;
}

uint32_t new_more() {
  uint32_t index = free_more;
  if (index != 0) {
    free_more = mores[index].next;
  } else {
    if (next_more == kMaxMores) rt::throw_("race: too many accesses to tell apart");
    index = next_more++;
  }
  mores[index] = More{};
  return index;
}

// What a look through the kept accesses finds.
struct Found {
  Past* known = nullptr;  // of this epoch, and the new one adds nothing to it
  bool reported = false;  // a race
  Past* same = nullptr;   // of this epoch, kind and place
  Past* room = nullptr;
};

// Whether there is more to look for.
bool meet(Past& past, const Now& now, uint32_t place, Found& found) {
  if (past.when == 0) {
    if (found.room == nullptr) found.room = &past;
    return true;
  }
  if (past.when == now.task->now) {
    if (includes(past.what, now.what)) return found.known = &past, false;
    if ((past.what ^ now.what) >> kHowShift == 0 && past.place == place) {
      found.same = &past;
      return true;
    }
  }
  if ((past.what & now.what & kBytes) == 0) return true;
  if (Epoch::slot(past.when) != now.task->slot && !now.task->clock.knows(past.when)) {
    if (!conflict(past.what, now.what)) return true;
    found.reported = report_race(now.task, now.address, place, static_cast<uint8_t>(now.what >> kHowShift), Past(past));
    if (found.reported) return false;
  }
  if (!covers(now.what, past.what)) return true;
  past.what &= ~(now.what & kBytes);
  if ((past.what & kBytes) != 0) return true;
  past.when = 0;
  if (found.room == nullptr) found.room = &past;
  return true;
}

void meet_more(uint32_t index, const Now& now, uint32_t place, Found& found) {
  for (; index != 0; index = mores[index].next) {
    for (Past& past : mores[index].past) {
      if (!meet(past, now, place, found)) return;
    }
  }
}

// A report writes, so where there are threads others may have run since: then the cell is gone through once more.
Found meet_pasts(Cell* cell, const Now& now, uint32_t place) {
  Found found;
  do {
    found = {};
    for (Past& past : cell->past) {
      if (!meet(past, now, place, found)) break;
    }
    if (found.known == nullptr && !found.reported) meet_more(cell->more, now, place, found);
  } while (found.reported);
  return found;
}

Past* room_beyond(Cell* cell) {
  const uint32_t index = new_more();
  mores[index].next = cell->more;
  cell->more = index;
  return &mores[index].past[0];
}

}  // namespace

void detector_init() { mores = reserve_array<More>(kMaxMores); }

void lose_sight() {
  if (detecting.exchange(false, std::memory_order_relaxed)) lost.store(true, std::memory_order_relaxed);
}

void detector_forget() {
  if (lost.exchange(false, std::memory_order_relaxed)) detecting.store(true, std::memory_order_relaxed);
  next_more = 1;
  free_more = 0;
}

void drop_more(Cell* cell) {
  while (cell->more != 0) {
    const uint32_t index = cell->more;
    cell->more = mores[index].next;
    mores[index].next = free_more;
    free_more = index;
  }
}

// What the task did is left in the cell itself, where the next look at it is quick: where many read, each has its turn there.
void check_all(Cell* cell, const Now& now) {
  const uint32_t place = place_of(now.task, now.pc);
  const Found found = meet_pasts(cell, now, place);
  Past* mine = found.known;
  if (mine == nullptr && found.same != nullptr) {
    mine = found.same;
    mine->what |= now.what;
  } else if (mine == nullptr) {
    mine = found.room != nullptr ? found.room : room_beyond(cell);
    *mine = {.when = now.task->now, .place = place, .what = now.what};
  }
  if (mine < cell->past || mine >= cell->past + kPastsInCell) std::swap(*mine, cell->past[0]);
}

void look_closely(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  const uint64_t end = address + bytes;
  for (uint64_t at = address; at < end;) {
    const uint64_t count = std::min<uint64_t>(8 - (at & 7), end - at);
    check(cell_of(at), task, at, what(at, count, how), pc);
    at += count;
  }
}

}  // namespace reprise::race
