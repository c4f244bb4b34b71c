// Threads as tasks.
//
// Stacks: libc gives the stack of a thread that is over to the next one, with the thread-local block at its top.
// What was known of it goes when the thread is joined, and once more when another is found there.
//
// Turns: the stage's baton goes round in the order of asking, so what is drawn is only how many accesses a turn has.
// None is the most frequent number, so any order of the threads' accesses can come about; turns of
// all lengths come too, twice as long half as often, because many bugs need one thread to stand still while another does a lot. Policies do not
// choose between threads: their next operations are not known to the runtime.
#include "runtime/race/threads.h"

#include <pthread.h>
#include <sys/syscall.h>

#include <bit>

#include "runtime/boot/boot.h"
#include "runtime/race/detector.h"
#include "runtime/race/objects.h"
#include "runtime/race/shadow.h"
#include "runtime/race/sync.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/quick_points.h"
#include "runtime/seam/names.h"
#include "runtime/stage/abi.h"
#include "runtime/sys/syscall.h"

namespace reprise::race {

Task* threads = nullptr;

namespace {

thread_local Task* here __attribute__((tls_model("initial-exec"))) = nullptr;
// It was made by pthread_create(), and cannot be followed.
thread_local bool unfollowed __attribute__((tls_model("initial-exec"))) = false;

uint64_t made = 0;        // in this schedule
uint64_t left = 0;        // accesses of this turn

constexpr uint32_t kOwnerBit = 1u << 31;       // apart from goroutines'
constexpr uint64_t kNames = uint64_t{1} << 40;  // apart from a goroutine's children

// Whatever it did is in order with whoever follows it.
void end(Task* thread) {
  Task** at = &threads;
  while (*at != thread) at = &(*at)->next_thread;
  *at = thread->next_thread;
  retire_task(thread);
}

void find_stack(Task* thread) {
  pthread_attr_t attributes;
  void* lo = nullptr;
  size_t bytes = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  pthread_attr_getstack(&attributes, &lo, &bytes);
  pthread_attr_destroy(&attributes);
  thread->lo = reinterpret_cast<uint64_t>(lo);
  thread->hi = thread->lowest = thread->lo + bytes;
}

// Threads that had this stack before.
void end_predecessors(const Task* thread) {
  for (Task *at = threads, *next; at != nullptr; at = next) {
    next = at->next_thread;
    if (at != thread && at->lo < thread->hi && thread->lo < at->hi) end(at);
  }
}

// By a call that may wait, to the stage's mind, and does not: whoever calls asks for the baton again at once, behind those
// that wait for it. (A real yield would leave the processor, too.)
void put_baton_down() { rt::sys::call_kernel(SYS_poll, nullptr, 0, 0); }

uint64_t draw_turn() {
  const uint64_t bits = rt::seam_draw();
  const auto length = static_cast<uint64_t>(std::countr_zero(bits | 1u << 20));
  return length << std::countr_zero(bits >> 32 | 1u << 10);
}

// One that lives on in the next schedule.
void go_on(Task* thread) {
  thread->thread = ++made;
  begin_task(thread, nullptr);
}

}  // namespace

bool threads_take_turns() {
  const stage::Table* const table = rt::stage_table();
  return rt::seam_active && table != nullptr && table->mode() != tape::Mode::off;
}

Task* thread_here() {
  if (here != nullptr && here->generation != generation) go_on(here);
  return here;
}

Task* synchronising_thread() {
  Task* const thread = thread_here();
  if (thread == nullptr && unfollowed) lose_sight();
  return thread;
}

Task* running_thread(uint64_t stack_pointer) {
  Task* const thread = thread_here();
  if (thread == nullptr) lose_sight();
  return thread != nullptr && stack_pointer - thread->lo < thread->hi - thread->lo ? thread : nullptr;
}

Task* thread_made(Task* maker) {
  if (maker == nullptr || !threads_take_turns()) return nullptr;
  rt::seam_take_quick_points_back();  // from now on each point may be another thread's turn
  Task* const thread = new_task();
  thread->thread = ++made;
  thread->owner = kOwnerBit | static_cast<uint32_t>(made);
  thread->name = seam::child_name(maker->name, kNames + maker->threads++);
  begin_task(thread, maker);
  thread->next_thread = threads;
  threads = thread;
  return thread;
}

void thread_starts(Task* thread) {
  if (thread == nullptr) {
    unfollowed = true;
    if (rt::seam_active) lose_sight();
    return;
  }
  find_stack(thread);
  end_predecessors(thread);
  here = thread;
}

void thread_over(Task* thread, Task* joiner) {
  if (thread == nullptr) return;
  if (thread->generation == generation) order(thread, joiner);
  end(thread);
}

const Task* thread_at(uint64_t address) {
  const Task* at = threads;
  while (at != nullptr && address - at->lo >= at->hi - at->lo) at = at->next_thread;
  return at;
}

void pass_turn_among_threads(const Task* task) {
  if (task->gp != nullptr && task->gp->no_preempt != 0) return;
  while (left == 0) {
    put_baton_down();
    if (left == 0) left = draw_turn();
  }
  --left;
}

void threads_forget() { made = left = 0; }

}  // namespace reprise::race
