// Shadow memory: the table of regions. A program may touch kMaxRegions MiB in checked code.
#include "runtime/race/shadow.h"

#include "runtime/race/detector.h"
#include "runtime/race/memory.h"
#include "runtime/sched/proc.h"

namespace reprise::race {

uint32_t generation = 1;
uint32_t* regions = nullptr;
Cell* region_cells = nullptr;

namespace {

constexpr uint64_t kCellsInRegion = uint64_t{1} << (kRegionBits - 3);
constexpr uint32_t kMaxRegions = 6 * 1024;
uint32_t next_region = 1;

}  // namespace

void shadow_init() {
  regions = reserve_array<uint32_t>(uint64_t{1} << (47 - kRegionBits));
  region_cells = reserve_array<Cell>(kMaxRegions * kCellsInRegion);
}

Cell* make_region(uint64_t address) {
  if (next_region == kMaxRegions) rt::throw_("race: the program touches more than 6 GiB in checked code");
  const uint64_t index = address >> kRegionBits & ((uint64_t{1} << (47 - kRegionBits)) - 1);
  regions[index] = next_region++;
  return region_cells + regions[index] * kCellsInRegion + (address >> 3 & (kCellsInRegion - 1));
}

void empty(Cell* cell) {
  if (cell->generation == generation) drop_more(cell);
  *cell = Cell{.generation = generation};
}

void forget_all() { ++generation; }

}  // namespace reprise::race
