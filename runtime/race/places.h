// Places: a call stack of checked code and an instruction in it, as a number that a cell can hold.
//
// Places form a tree; each distinct one exists once. Kept from schedule to schedule. Thread safety: the baton.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/race/task.h"

namespace reprise::race {

void places_init();

// The few places that a program is at lately, by caller and pc, so that a look-up does not go through two large tables.
struct RecentPlace {
  uint64_t pc;
  uint32_t caller, place;  // place 0: none
};
inline constexpr uint64_t kRecentPlaces = 512;
[[gnu::visibility("hidden")]] extern RecentPlace recent_places[kRecentPlaces];
uint32_t look_up_place(Task* task, const void* pc);

// Where the task is; `pc` is the return address of a hook. 0 if there are too many places.
inline uint32_t place_of(Task* task, const void* pc) {
  const auto at = reinterpret_cast<uint64_t>(pc);
  const uint32_t depth = task->depth;
  const uint32_t caller = depth - 1 < kMaxFrames ? task->frames[depth - 1].place : 0;  // not known yet: 0, which is looked up
  const RecentPlace& recent = recent_places[(at ^ at >> 7 ^ caller * 37) % kRecentPlaces];
  const bool hit = recent.pc == at && recent.caller == caller && recent.place != 0 && (caller != 0 || depth == 0);
  return __builtin_expect(hit, 1) ? recent.place : look_up_place(task, pc);
}
// The return addresses of a place, innermost first. Returns how many were written.
size_t stack_of(uint32_t place, std::span<uint64_t> pcs);

}  // namespace reprise::race
