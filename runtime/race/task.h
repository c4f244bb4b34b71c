// A Task is what the checked flavour knows of a goroutine, at which G::fiber.handle points, or of a thread of the
// program's own (threads.h).
//
// Made at the goroutine's birth, or at its first access in code that ran before; used again after its death.
// Thread safety: the baton; the goroutine itself, or whoever wakes it.
#pragma once

#include <cstdint>

#include "runtime/race/clock.h"
#include "runtime/race/shadow.h"
#include "runtime/sched/g_m_p.h"
#include "runtime/sched/here.h"
#include "runtime/sched/proc.h"
#include "runtime/seam/decision.h"

namespace reprise::race {

// A call that has not returned: where it returns to, and the place of its caller if that was asked for.
struct Frame {
  uint64_t pc;
  uint32_t place;
  uint32_t unused;
};
inline constexpr uint32_t kMaxFrames = 1024;  // deeper ones are counted, not kept

struct Task {
  rt::G* gp = nullptr;           // null: a thread
  uint64_t thread = 0;           // its number, in order of creation, from 1; 0: a goroutine
  seam::GoId name;
  uint32_t owner = 0;            // its id in cells
  bool points_at_atomic = false; // the next atomic operation was announced already
  uint64_t lo = 0, hi = 0;       // its stack
  uint64_t newborn_lo = 0, newborn_hi = 0;  // a stack on which it builds an argument
  uint64_t lowest = 0;           // how deep its checked code came
  uint64_t objects = 0;          // named here so far
  uint32_t depth = 0;
  Frame* frames = nullptr;
  Task* next_free = nullptr;
  Task* next_thread = nullptr;
  uint64_t threads = 0;          // made by it so far
  uint32_t generation = 0;

  // What the detector knows (sync.h).
  uint32_t slot = 0;
  uint64_t now = 0;              // Epoch of what it does now
  Clock clock;                   // what comes before
  Clock seen_relaxed;            // what relaxed loads saw: an acquire fence takes it up
  Clock fenced;                  // at the last release fence: what relaxed stores release
  seam::ObjectId pending;        // to be acquired once the operation that was announced is done
  bool has_pending = false;
  bool pending_readers = false;
  seam::ObjectId condition;      // waited for; name 0: none
};

// Of a goroutine of the program's; made if need be, as the child of `parent` (null: of nobody).
Task* new_task_of(rt::G* gp, Task* parent);
inline Task* task_of(rt::G* gp, Task* parent = nullptr) {
  auto* const task = static_cast<Task*>(gp->fiber.handle);
  return __builtin_expect(task != nullptr && task->generation == generation, 1) ? task : new_task_of(gp, parent);
}

// The task of the goroutine or thread that runs, if its checked code is to be looked at: under a policy, on its own
// stack (not in a signal's handler), outside the runtime's critical sections. Null else.
Task* running_thread(uint64_t stack_pointer);  // threads.h
inline Task* running_task(uint64_t stack_pointer) {
  if (!rt::seam_active) return nullptr;
  rt::G* const gp = rt::g_here();
  if (gp == nullptr) return running_thread(stack_pointer);
  const rt::M* const mp = gp->ctx.m;
  if (mp == nullptr || stack_pointer - gp->ctx.stack_lo >= gp->ctx.stack_hi - gp->ctx.stack_lo) return nullptr;
  return mp->ctx.curg == gp && mp->locks == 0 ? task_of(gp) : nullptr;
}

Task* new_task();
// As of one that was just born, but for who it is (gp, thread, name, owner, stack).
void begin_task(Task* task, Task* parent);
// It is over; its stack is memory that nobody has touched.
void retire_task(Task* task);

// The goroutine is over: its stack is memory that nobody has touched.
void end_task(rt::G* gp);

// The goroutine at whose address this is, by walking all; null if it is no goroutine's stack.
rt::G* goroutine_at(uint64_t address);

extern bool ready;  // everything is set up
// Sets up everything at first use, and again for each schedule.
void begin_schedule();

}  // namespace reprise::race
