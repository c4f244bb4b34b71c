// Which accesses are scheduling points.
#include "runtime/race/access.h"

#include "runtime/race/detector.h"
#include "runtime/race/objects.h"
#include "runtime/race/race.h"
#include "runtime/race/shadow.h"
#include "runtime/race/sync.h"
#include "runtime/race/threads.h"
#include "runtime/sched/quick_points.h"

namespace reprise::race {

using seam::OpKind;

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

// True: nobody else could go on at this point, and it is counted.
bool pass_quickly(Task* task, Cell* cell, uint64_t address, bool write, const void* pc) {
  rt::QuickPoints& quick = rt::quick_points;
  if (task->gp == nullptr || threads != nullptr) return false;
  if (!quick.belong_to(task->gp)) rt::seam_give_quick_points(task->gp);
  if (!quick.belong_to(task->gp) || quick.left == 0 || task->gp->no_preempt != 0) return false;
  if (cell->allocation == 0) object_of(task, cell, address);  // first come, first to name it
  quick.pass(address, write, pc);
  return true;
}

[[gnu::noinline]] void pass_point(Task* task, Cell* cell, uint64_t address, OpKind op, bool write, const void* pc) {
  pass_turn(task);
  if (task->thread != 0) return;
  rt::seam_memory_point(op, {object_of(task, cell, address), write}, code_site(pc));
}

}  // namespace

void point(Task* task, uint64_t address, OpKind op, bool write, const void* pc) {
  Cell* const cell = cell_of(address);
  if (shared(task, cell, address)) pass_point(task, cell, address, op, write, pc);
}

// Its point, and what comes of the operation before.
[[gnu::always_inline]] inline void meet_others(Task* task, uint64_t address, bool write, const void* pc) {
  Cell* const cell = cell_of(address);
  if (shared(task, cell, address) && !pass_quickly(task, cell, address, write, pc)) {
    pass_point(task, cell, address, write ? OpKind::memory_write : OpKind::memory_read, write, pc);
  }
  settle(task);
}

void access(uint64_t address, size_t bytes, uint8_t how, const void* pc, uint64_t stack) {
  Task* const task = running_task(stack);
  if (task == nullptr || bytes == 0 || is_thread_local(task, address)) return;
  meet_others(task, address, (how & kWrites) != 0, pc);
  look_at(task, address, bytes, how, pc);
}

void access_cell(uint64_t address, What what, const void* pc, uint64_t stack) {
  Task* const task = running_task(stack);
  if (task == nullptr || is_thread_local(task, address)) return;
  meet_others(task, address, (what & kWrites << kHowShift) != 0, pc);
  if (detecting.load(std::memory_order_relaxed)) check(cell_of(address), task, address, what, pc);
}

void name_access(rt::G* gp, uint64_t address, const void* pc, seam::ObjectId* object, seam::Site* site) {
  *object = object_of(static_cast<Task*>(gp->fiber.handle), cell_of(address), address);
  *site = code_site(pc);
}

}  // namespace reprise::race
