// Shadow memory: the table of regions. A program may touch kMaxRegions MiB in checked code.
#include "runtime/race/shadow.h"

#include "runtime/race/detector.h"
#include "runtime/race/memory.h"
#include "runtime/sched/proc.h"

namespace reprise::race {

uint32_t generation = 1;
uint64_t* regions = nullptr;
char* first_cell = nullptr;

namespace {

constexpr uint64_t kMaxRegions = 6 * 1024;
uint64_t next_region = 1;

}  // namespace

void shadow_init() {
  regions = reserve_array<uint64_t>(uint64_t{1} << (47 - kRegionBits));
  first_cell = static_cast<char*>(reserve(kMaxRegions * kRegionBytes));
}

Cell* renew(uint64_t address, Cell* cell) {
  uint64_t& region = region_of(address);
  if (region == 0) {
    if (next_region == kMaxRegions) rt::throw_("race: the program touches more than 6 GiB in checked code");
    region = next_region++ * kRegionBytes;
    cell = cell_if_made(address);
  }
  empty(cell);
  return cell;
}

void empty(Cell* cell) {
  if (cell->generation == generation) drop_more(cell);
  *cell = Cell{.generation = generation};
}

void forget_all() { ++generation; }

}  // namespace reprise::race
