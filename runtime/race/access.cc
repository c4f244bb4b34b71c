// Which accesses are scheduling points.
#include "runtime/race/access.h"

#include "runtime/race/detector.h"
#include "runtime/race/objects.h"
#include "runtime/race/race.h"
#include "runtime/race/shadow.h"
#include "runtime/race/sync.h"
#include "runtime/race/threads.h"

namespace reprise::race {
namespace {

bool within(uint64_t address, uint64_t lo, uint64_t hi) { return address - lo < hi - lo; }

// Notes who touched the cell.
bool shared(Task* task, Cell* cell, uint64_t address) {
  if (cell->owner == task->owner) return false;
  if (cell->owner == kUnknown) {
    if (within(address, task->newborn_lo, task->newborn_hi)) return false;
    if (within(address, task->lo, task->hi)) {
      cell->owner = task->owner;
      return false;
    }
  }
  cell->owner = kShared;
  return true;
}

}  // namespace

void point(Task* task, uint64_t address, seam::OpKind op, bool write, const void* pc) {
  Cell* const cell = cell_of(address);
  if (!shared(task, cell, address)) return;
  pass_turn(task);
  if (task->thread != 0) return;
  rt::seam_memory_point(op, {object_of(task, cell, address), write}, code_site(pc));
}

void access(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc) {
  if (bytes == 0 || is_thread_local(task, address)) return;
  const bool write = (how & kWrite) != 0;
  point(task, address, write ? seam::OpKind::memory_write : seam::OpKind::memory_read, write, pc);
  settle(task);
  look_at(task, address, bytes, how, pc);
}

}  // namespace reprise::race
