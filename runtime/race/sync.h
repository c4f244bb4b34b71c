// What orders goroutines: the clocks of tasks and of the objects that they synchronise by.
//
// A release leaves what a task knows at an object and starts a new count of its clock; an acquire takes it up.
// An operation that may wait is announced before it is carried out, so its acquire is noted and done at the
// task's next event, when it has been (settle()): until then nobody can have released again what it holds.
//
// Thread safety: the baton.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/race/clock.h"
#include "runtime/race/race.h"
#include "runtime/race/task.h"
#include "runtime/seam/decision.h"

namespace reprise::race {

void sync_init();
void sync_forget();

// A new task follows `parent`; null: the doing of g0.
void start_clock(Task* task, Task* parent);
void end_clock(Task* task);
// Does what is left of the task's last operation.
void settle_pending(Task* task);
inline void settle(Task* task) {
  if (task->has_pending) settle_pending(task);
}
// What the last operation that may wait acquires is acquired now, settled before or not.
void acquire_again(Task* task);

// `from` comes before what `to` does next. Null: the doing of g0.
void order(Task* from, Task* to);
void release(Task* task, seam::ObjectId object);
void acquire(Task* task, seam::ObjectId object);
seam::ObjectId object_at(const void* address);

// An announced operation of the task.
void announced(Task* task, seam::OpKind op, std::span<const seam::Access> accesses);
void channel_step(Task* task, rt::ChanStep step, const rt::hchan* c, Task* other);
// What g0 does meanwhile follows the last start of this timer.
void timer_fires(seam::ObjectId timer);
void timer_fired();

// Atomic operations of checked code, by C++'s rules: release sequences, fences.
void atomic_load(Task* task, uint64_t address, size_t bytes, bool acquires, const void* pc);
void atomic_store(Task* task, uint64_t address, size_t bytes, bool releases, const void* pc);
void atomic_modify(Task* task, uint64_t address, size_t bytes, bool acquires, bool releases, const void* pc);
void atomic_fence(Task* task, bool acquires, bool releases);

}  // namespace reprise::race
