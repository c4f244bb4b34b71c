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

// As of a goroutine that was just born. Clocks of an earlier schedule have no storage any more.
void begin_task(Task* task, rt::G* gp, Task* parent) {
  Frame* const frames = task->frames;
  const uint32_t depth = task->gp == gp ? task->depth : 0;  // one that lives on in the next schedule
  *task = Task{};
  task->frames = frames;
  task->depth = depth;
  task->gp = gp;
  task->owner = static_cast<uint32_t>(gp->goid);
  task->lo = gp->ctx.stack_lo;
  task->hi = gp->ctx.stack_hi;
  task->lowest = task->hi;
  task->generation = generation;
  start_clock(task, parent);
  note_birth(task);
}

}  // namespace

Task* task_of(rt::G* gp, Task* parent) {
  auto* task = static_cast<Task*>(gp->fiber.handle);
  if (task != nullptr && task->generation == generation) return task;
  if (!ready) init();
  if (task == nullptr) task = new_task();
  begin_task(task, gp, parent);
  gp->fiber.handle = task;
  return task;
}

Task* running_task(uint64_t stack_pointer) {
  if (!rt::seam_active) return nullptr;
  rt::G* const gp = reprise_tls_g;
  if (gp == nullptr || gp->ctx.m == nullptr) return nullptr;  // a thread of the program's own
  if (stack_pointer - gp->ctx.stack_lo >= gp->ctx.stack_hi - gp->ctx.stack_lo) return nullptr;
  const rt::M* const mp = gp->ctx.m;
  if (mp->ctx.curg != gp || mp->locks != 0) return nullptr;
  return task_of(gp);
}

// Below the deepest frame of checked code lie only frames of code that is not looked at.
void end_task(rt::G* gp) {
  constexpr uint64_t kBelow = 512;
  auto* const task = static_cast<Task*>(gp->fiber.handle);
  const uint64_t from = task->lowest - task->lo > kBelow ? task->lowest - kBelow : task->lo;
  clear_range(from, task->hi - from);
  if (task->generation == generation) end_clock(task);
  gp->fiber.handle = nullptr;
  task->gp = nullptr;
  task->next_free = free_tasks;
  free_tasks = task;
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
  report_forget();
}

}  // namespace reprise::race
