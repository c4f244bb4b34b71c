// FastTrack on cells of eight bytes.
//
// Invariant: of the accesses since the cell was emptied, a cell keeps for each byte every one p for which no
// later kept access q exists with p before q and q at least as strong as p (covers()). Whatever races
// with a dropped p races with its q too: what comes after q comes after p.
//
// Accesses beyond three a cell go to a chain of Mores.
#include "runtime/race/detector.h"

#include <algorithm>

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

bool conflict(uint8_t a, uint8_t b) {
  return ((a | b) & kWrite) != 0 && (a & b & kAtomic) == 0;
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

// Every place for a Past of a cell, until f returns false.
template <class F>
void for_each_past(Cell* cell, F f) {
  for (Past& past : cell->past) {
    if (!f(past)) return;
  }
  for (uint32_t index = cell->more; index != 0; index = mores[index].next) {
    for (Past& past : mores[index].past) {
      if (!f(past)) return;
    }
  }
}

Past* room_in(Cell* cell) {
  Past* room = nullptr;
  for_each_past(cell, [&](Past& past) {
    if (past.when == 0) room = &past;
    return room == nullptr;
  });
  if (room != nullptr) return room;
  const uint32_t index = new_more();
  mores[index].next = cell->more;
  cell->more = index;
  return &mores[index].past[0];
}

struct Now {
  Task* task;
  uint64_t address;
  uint8_t bytes;
  uint8_t how;
  const void* pc;
};

// False: a race was reported, and the cell must be gone through once more. A report writes, so where there are threads
// others may have run since.
bool meet_pasts(Cell* cell, const Now& now, uint32_t place, Past** found) {
  Task* const task = now.task;
  Past* same = nullptr;
  bool reported = false;
  for_each_past(cell, [&](Past& past) {
    if (past.when == 0) return true;
    if (past.when == task->now && past.how == now.how && past.place == place) same = &past;
    if ((past.bytes & now.bytes) == 0) return true;
    const bool ordered = Epoch::slot(past.when) == task->slot || task->clock.knows(past.when);
    const bool raced = !ordered && conflict(past.how, now.how);
    if (raced) reported = report_race(task, now.address, place, now.how, Past(past));
    if (reported) return false;
    if ((ordered || raced) && covers(now.how, past.how) && &past != same) {
      past.bytes &= static_cast<uint8_t>(~now.bytes);
      if (past.bytes == 0) past.when = 0;
    }
    return true;
  });
  *found = same;
  return !reported;
}

void check(Cell* cell, const Now& now) {
  if (known_already(cell, now.task, now.bytes, now.how)) return;
  const uint32_t place = place_of(now.task, now.pc);
  Past* same = nullptr;
  while (!meet_pasts(cell, now, place, &same)) {
  }
  if (same != nullptr) {
    same->bytes |= now.bytes;
  } else {
    *room_in(cell) = {.when = now.task->now, .place = place, .bytes = now.bytes, .how = now.how};
  }
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

void look_slowly(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  const uint64_t end = address + bytes;
  for (uint64_t at = address; at < end;) {
    const uint64_t first = at & 7;
    const uint64_t count = std::min<uint64_t>(8 - first, end - at);
    const auto mask = static_cast<uint8_t>(((1u << count) - 1) << first);
    check(cell_of(at), {task, at, mask, how, pc});
    at += count;
  }
}

}  // namespace reprise::race
