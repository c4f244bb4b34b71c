// Shadow memory: what is known of each eight bytes that checked code touched.
//
// A Cell says whose the bytes are, which decides whether an access to them is a scheduling point, and keeps
// the accesses that a later one may race with (detector.h). Cells are found by a table of regions of one MiB,
// made on first touch. A cell of an earlier schedule of an exploration counts as empty: `generation` tells.
//
// Thread safety: the baton.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::race {

// Whose: nobody has touched it; a goroutine's alone (its id); everybody's.
inline constexpr uint32_t kUnknown = 0;
inline constexpr uint32_t kShared = UINT32_MAX;

// Which of eight bytes an access is to, a bit each, and above them AccessFlags: how.
using What = uint32_t;
inline constexpr What kBytes = 0xff;
inline constexpr unsigned kHowShift = 8;
constexpr What what(uint64_t address, size_t bytes, uint8_t how) {
  return ((1u << bytes) - 1) << (address & 7) | static_cast<What>(how) << kHowShift;
}

// An access that was: who, when, what, and where (places.h).
struct Past {
  uint64_t when = 0;    // Epoch (detector.h): slot and clock; 0: no access
  uint32_t place = 0;
  What what = 0;

  uint8_t how() const { return static_cast<uint8_t>(what >> kHowShift); }
};
static_assert(sizeof(Past) == 16);

inline constexpr unsigned kPastsInCell = 3;

struct alignas(64) Cell {
  uint32_t generation;
  uint32_t owner;
  uint32_t allocation;  // objects.h; 0: none known
  uint32_t more;        // index of further Pasts; 0: none
  Past past[kPastsInCell];
};
static_assert(sizeof(Cell) == 64);

[[gnu::visibility("hidden")]] extern uint32_t generation;       // of the schedule that runs, from 1
void forget_all();                // the next schedule: every cell is empty again

inline constexpr unsigned kRegionBits = 20;
inline constexpr uint64_t kRegionBytes = (uint64_t{1} << kRegionBits) / 8 * sizeof(Cell);  // of its cells
// By address >> kRegionBits: where its cells are, in bytes from first_cell. 0: it has none yet, but the cells there are of no schedule.
[[gnu::visibility("hidden")]] extern uint64_t* regions;
[[gnu::visibility("hidden")]] extern char* first_cell;
Cell* renew(uint64_t address, Cell* cell);  // makes its region if need be
void empty(Cell* cell);

inline uint64_t& region_of(uint64_t address) {
  return regions[address >> kRegionBits & ((uint64_t{1} << (47 - kRegionBits)) - 1)];
}
// The cell of the eight bytes at `address`, perhaps of an earlier schedule or of none. REQUIRES: shadow_init().
inline Cell* cell_if_made(uint64_t address) {
  constexpr uint64_t kWithin = (uint64_t{1} << kRegionBits) - 8;
  return reinterpret_cast<Cell*>(first_cell + region_of(address) + (address & kWithin) * (sizeof(Cell) / 8));
}

// The cell of the eight bytes at `address`, up to date. REQUIRES: shadow_init().
inline Cell* cell_of(uint64_t address) {
  Cell* const cell = cell_if_made(address);
  return __builtin_expect(cell->generation == generation, 1) ? cell : renew(address, cell);
}

void shadow_init();

}  // namespace reprise::race
