// Tasks, and the beginning of everything.
#include "runtime/race/task.h"

#include "asm/asm.h"
#include "runtime/race/detector.h"
#include "runtime/race/memory.h"
#include "runtime/race/objects.h"
#include "runtime/race/places.h"
#include "runtime/race/report.h"
#include "runtime/race/shadow.h"
#include "runtime/race/sync.h"
#include "runtime/race/threads.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"

namespace reprise::race {

bool ready = false;

namespace {

Task* free_tasks = nullptr;

void init() {
  shadow_init();
  objects_init();
  clocks_init();
  sync_init();
  places_init();
  detector_init();
  ready = true;
  report_init();  // reads settings, with the heap that is looked at
}

}  // namespace

Task* new_task() {
  Task* const task = free_tasks;
  if (task != nullptr) {
    free_tasks = task->next_free;
    return task;
  }
  Task* const fresh = new (reserve(sizeof(Task))) Task;
  fresh->frames = reserve_array<Frame>(kMaxFrames);
  return fresh;
}

// Clocks of an earlier schedule have no storage any more. Its calls go on where it lives on from one.
void begin_task(Task* task, Task* parent) {
  const Task before = *task;
  *task = Task{};
  task->frames = before.frames;
  task->depth = before.depth;
  task->gp = before.gp;
  task->thread = before.thread;
  task->name = before.name;
  task->owner = before.owner;
  task->lo = before.lo;
  task->hi = task->lowest = before.hi;
  task->next_thread = before.next_thread;
  task->generation = generation;
  start_clock(task, parent);
  note_birth(task, parent);
}

Task* new_task_of(rt::G* gp, Task* parent) {
  auto* task = static_cast<Task*>(gp->fiber.handle);
  if (!ready) init();
  if (task == nullptr) task = new_task();
  task->gp = gp;
  task->name = gp->name;
  task->owner = static_cast<uint32_t>(gp->goid);
  task->lo = gp->ctx.stack_lo;
  task->hi = gp->ctx.stack_hi;
  begin_task(task, parent);
  gp->fiber.handle = task;
  return task;
}

// Below the deepest frame of checked code lie only frames of code that is not looked at.
void retire_task(Task* task) {
  constexpr uint64_t kBelow = 512;
  const uint64_t from = task->lowest - task->lo > kBelow ? task->lowest - kBelow : task->lo;
  clear_range(from, task->hi - from);
  if (task->generation == generation) end_clock(task);
  Frame* const frames = task->frames;
  *task = Task{};
  task->frames = frames;
  task->next_free = free_tasks;
  free_tasks = task;
}

void end_task(rt::G* gp) {
  retire_task(static_cast<Task*>(gp->fiber.handle));
  gp->fiber.handle = nullptr;
}

rt::G* goroutine_at(uint64_t address) {
  rt::G* gp = rt::sched.allgs.load(std::memory_order_acquire);
  for (; gp != nullptr; gp = gp->alllink.load(std::memory_order_acquire)) {
    if (address >= gp->ctx.stack_lo && address < gp->ctx.stack_hi) return gp;
  }
  return nullptr;
}

void begin_schedule() {
  if (!ready) return init();
  forget_all();
  objects_forget();
  clocks_forget();
  sync_forget();
  detector_forget();
  threads_forget();
  report_forget();
}

}  // namespace reprise::race
