// Calls that may block a thread: in native mode system calls are made in place, without the P; all else
// is made on behalf of goroutines by a pool of worker threads.
//
// With a worker the goroutine parks, a worker makes the call, and the completion is reported through netpoll,
// in the order in which workers finished. Under the stage the baton serialises the workers, so
// that order is recorded and replayed.
//
// Thread safety: any goroutine. Blocks the G; its M only in native mode, and then the P is free. Called
// on g0 or on a thread that the runtime does not know, the work runs right there.
#pragma once

#include <cstdint>
#include <utility>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/syscall.h"
#include "runtime/sim/sim.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

// One call under way. Lives on the parked goroutine's stack, which does not move.
struct BlockingTask {
  void (*run)(void*) = nullptr;
  void* arg = nullptr;
  G* gp = nullptr;
  BlockingTask* next = nullptr;  // pool lock, then completion lock
};

void blocking_run(BlockingTask* task);

// Calls work() on a worker thread. It must not touch the runtime: no channel, no lock of ours.
template <class F>
void on_worker(F&& work) {
  BlockingTask task;
  task.run = [](void* arg) { (*static_cast<std::remove_reference_t<F>*>(arg))(); };
  task.arg = &work;
  blocking_run(&task);
}

template <class F>
[[gnu::noinline]] long call_without_p(F& call) {
  __builtin_unwind_init();  // the collector may scan the stack meanwhile: no variable of a caller's is in a register only
  entersyscall();
  const long result = sys::ignoringEINTR(call);
  exitsyscall();
  return result;
}

// Calls call(), which makes system calls by sys::call() and does nothing else: here, without the P, in
// native mode, else on a worker thread. In a simulated world here, since the calls are the goroutine's own
// doing. EINTR is retried.
template <class F>
long blocking_call(F&& call) {
  if (sim::world_open) return sys::ignoringEINTR(call);
  long result = 0;
  if (can_enter_syscall()) {
    result = call_without_p(call);
  } else {
    on_worker([&] { result = sys::ignoringEINTR(call); });
  }
  return result;
}

// The same for one system call.
template <class... Args>
long blocking_syscall(long nr, Args... args) {
  return blocking_call([&] { return sys::call(nr, args...); });
}

// g0, for netpoll: the finished calls since the last time, oldest first; null if there are none.
BlockingTask* take_completions();
bool has_completions();
// Calls handed to workers and not yet taken by take_completions().
uint32_t blocking_in_flight();

}  // namespace reprise::rt
