// What the runtime calls (race.h), and the program's malloc.
//
// __tsan_init, which every checked module's constructors call, puts it in place.
#include <malloc.h>

#include <algorithm>

#include "asm/asm.h"
#include "runtime/mem/mallocgc.h"
#include "runtime/mem/program_malloc.h"
#include "runtime/race/access.h"
#include "runtime/race/detector.h"
#include "runtime/race/objects.h"
#include "runtime/race/race.h"
#include "runtime/race/sync.h"
#include "runtime/race/task.h"
#include "runtime/race/threads.h"
#include "runtime/sched/proc.h"

namespace reprise::race {
namespace {

using rt::ChanStep;
using rt::G;
using seam::OpKind;

// Null: g0, or nobody looks.
Task* current_task() {
  if (!rt::seam_active) return nullptr;
  if (rt::getg() == nullptr) return synchronising_thread();
  G* const gp = rt::curg();
  return gp != nullptr ? task_of(gp) : nullptr;
}

void point_announced(G* gp, OpKind op, std::span<const seam::Access> accesses) {
  Task* const task = gp != nullptr ? task_of(gp) : synchronising_thread();
  if (task == nullptr) return;
  pass_turn(task);
  announced(task, op, accesses);
}

void born(G* gp) {
  Task* const parent = current_task();
  if (parent == nullptr) return;
  parent->newborn_lo = gp->ctx.stack_lo;
  parent->newborn_hi = gp->ctx.stack_hi;
}

void spawned(G* gp) {
  Task* const parent = current_task();
  if (parent != nullptr) parent->newborn_lo = parent->newborn_hi = 0;
  task_of(gp, parent);
}

void ended(G* gp) {
  if (gp->fiber.handle != nullptr) end_task(gp);
}

void woken(G* gp) {
  order(rt::getg() != nullptr ? current_task() : thread_here(), task_of(gp));  // threads of the runtime's wake too
}

void* made_thread() { return thread_made(current_task()); }
void thread_started(void* thread) { thread_starts(static_cast<Task*>(thread)); }
void thread_ended(void* thread) { thread_over(static_cast<Task*>(thread), current_task()); }

void stepped(ChanStep step, const rt::hchan* c, G* other) {
  if (rt::seam_active && ready) channel_step(current_task(), step, c, other != nullptr ? task_of(other) : nullptr);
}

void released(const void* object) {
  if (Task* const task = current_task()) release(task, object_at(object));
}

void acquired(const void* object) {
  if (Task* const task = current_task()) acquire(task, object_at(object));
}

void done_for_thread(const void* done) {
  Task* const task = current_task();
  if (task == nullptr) return;
  acquire(task, object_at(done));
  acquire_again(task);
}

// ---- the heap ----

constexpr size_t kMostOfAFree = 64 << 10;  // of a larger block only its beginning is looked at

// Null on g0, and on threads that cannot be followed.
Task* allocating_task() {
  G* const gp = reprise_tls_g;
  if (gp == nullptr) return thread_here();
  return gp->ctx.m != nullptr && gp->ctx.m->ctx.curg == gp ? task_of(gp) : nullptr;
}

void allocated(void* block, size_t) {
  if (!rt::seam_active || !ready) return;
  if (reprise_tls_g == nullptr && thread_here() == nullptr && !threads_take_turns()) return;
  // All that freed() will be told of.
  mark_block(allocating_task(), reinterpret_cast<uint64_t>(block), malloc_usable_size(block));
}

// A race with a free is one with a write. What comes after in the program's order is a use of freed memory,
// which is no race.
void freed(void* block, size_t bytes) {
  if (!rt::seam_active || !ready || !detecting.load(std::memory_order_relaxed)) return;
  Task* const task = allocating_task();
  if (task == nullptr) return;
  settle(task);
  const size_t looked_at = std::min(bytes, kMostOfAFree);
  look_at(task, reinterpret_cast<uint64_t>(block), looked_at, kWrite | kFree, __builtin_return_address(0));
}

// On the collected heap: in the place of a dead object, what was known of that is forgotten.
void object_made(rt::MSpan* s, uint32_t index, size_t size) {
  if (rt::seam_active && ready) mark_block(current_task(), s->objBase(index), size);
}

constexpr rt::RaceHooks kHooks{
    .begin_schedule = begin_schedule,
    .point = point_announced,
    .name_access = name_access,
    .born = born,
    .spawned = spawned,
    .ended = ended,
    .woken = woken,
    .timer_fires = [](seam::ObjectId timer) { if (ready) timer_fires(timer); },
    .timer_fired = [] { if (ready) timer_fired(); },
    .chan = stepped,
    .release = released,
    .acquire = acquired,
    .done_for_thread = done_for_thread,
    .thread_made = made_thread,
    .thread_starts = thread_started,
    .thread_over = thread_ended,
};
constexpr mem::HeapWatch kHeap{.allocated = allocated, .freed = freed};

}  // namespace
}  // namespace reprise::race

extern "C" void __tsan_init() {
  if (reprise::rt::race_hooks != nullptr) return;
  reprise::rt::race_hooks = &reprise::race::kHooks;
  reprise::mem::watch_heap(&reprise::race::kHeap);
  reprise::rt::heap_hooks.allocated = reprise::race::object_made;
  reprise::rt::heap_attention.fetch_or(reprise::rt::kHeapDebug, std::memory_order_relaxed);
}
