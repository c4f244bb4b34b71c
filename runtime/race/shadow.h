// Shadow memory: what is known of each eight bytes that checked code touched.
//
// A Cell says whose the bytes are, which decides whether an access to them is a scheduling point, and keeps
// the accesses that a later one may race with (detector.h). Cells are found by a table of regions of one MiB,
// made on first touch. A cell of an earlier schedule of an exploration counts as empty: `generation` tells.
//
// Thread safety: the baton.
#pragma once

#include <cstdint>

namespace reprise::race {

// Whose: nobody has touched it; a goroutine's alone (its id); everybody's.
inline constexpr uint32_t kUnknown = 0;
inline constexpr uint32_t kShared = UINT32_MAX;

// An access that was: who, when, which of the eight bytes, how, and where (places.h).
struct Past {
  uint64_t when = 0;    // Epoch (detector.h): slot and clock; 0: no access
  uint32_t place = 0;
  uint8_t bytes = 0;
  uint8_t how = 0;      // Access flags
  uint16_t unused = 0;
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

extern uint32_t generation;       // of the schedule that runs, from 1
void forget_all();                // the next schedule: every cell is empty again

inline constexpr unsigned kRegionBits = 20;
extern uint32_t* regions;         // by address >> kRegionBits: index of its cells, 0 for none
extern Cell* region_cells;
Cell* make_region(uint64_t address);
void empty(Cell* cell);

// The cell of the eight bytes at `address`, up to date. REQUIRES: shadow_init().
inline Cell* cell_of(uint64_t address) {
  constexpr uint64_t kCells = uint64_t{1} << (kRegionBits - 3);
  const uint32_t region = regions[address >> kRegionBits & ((uint64_t{1} << (47 - kRegionBits)) - 1)];
  Cell* cell = region != 0 ? region_cells + region * kCells + (address >> 3 & (kCells - 1)) : make_region(address);
  if (__builtin_expect(cell->generation != generation, 0)) empty(cell);
  return cell;
}

void shadow_init();

}  // namespace reprise::race
