// The worker pool behind blocking calls.
//
// Invariants:
//   - A task is on exactly one list: the queue (guarded by pool.lock), a worker's hands, or the
//     completions (guarded by pool.done_lock). Its goroutine stays parked all the while.
//   - `tokens` counts queued tasks that no worker has claimed. A worker takes a token before it
//     looks at the queue, so a worker with a token always finds a task.
//   - `in_flight` counts tasks between blocking_run() and take_completions(); while it is above zero
//     the scheduler waits in netpoll instead of reporting a deadlock.
//   - Workers block every signal: handlers run on threads that the runtime schedules.
//
// Rejected: one thread a call (80 µs instead of 10), and condition variables of libc (their number
// of system calls depends on who got there first).
#include "runtime/sys/blocking.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include <atomic>
#include <string>

#include "runtime/poll/netpoll.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {
namespace {

// A worker blocked for good (a terminal, a FIFO nobody opens) is lost to the others, hence many.
// The stage numbers threads in one byte.
constexpr uint32_t kMaxWorkers = 64;
// Name service modules want room. Explicit, because the default follows `ulimit -s`.
constexpr size_t kWorkerStackBytes = 1 << 20;

struct Pool {
  Lock lock{LockRank::workers};
  BlockingTask* head = nullptr;  // lock
  BlockingTask* tail = nullptr;  // lock
  uint32_t queued = 0;           // lock: tasks on the list
  uint32_t idle = 0;             // lock: workers that wait for a token or are just starting
  uint32_t workers = 0;          // lock
  std::atomic<uint32_t> tokens{0};

  Lock done_lock{LockRank::completions};
  BlockingTask* done_head = nullptr;  // done_lock
  BlockingTask* done_tail = nullptr;  // done_lock
  std::atomic<bool> any_done{false};  // done_lock to write; read without it as a hint
  std::atomic<uint32_t> in_flight{0};
};

constinit Pool pool;

void append(BlockingTask*& head, BlockingTask*& tail, BlockingTask* task) {
  task->next = nullptr;
  (head ? tail->next : head) = task;
  tail = task;
}

bool try_take_token() {
  uint32_t seen = pool.tokens.load(std::memory_order_relaxed);
  while (seen > 0) {
    if (pool.tokens.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) return true;
  }
  return false;
}

// Waits for a task; the caller, a worker, owns it.
BlockingTask* next_task() {
  while (!try_take_token()) {
    sys::call(SYS_futex, &pool.tokens, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
  pool.lock.lock();
  pool.idle--;
  pool.queued--;
  BlockingTask* task = pool.head;
  pool.head = task->next;
  pool.lock.unlock();
  return task;
}

void complete(BlockingTask* task) {
  pool.done_lock.lock();
  append(pool.done_head, pool.done_tail, task);
  pool.any_done.store(true, std::memory_order_release);
  pool.done_lock.unlock();
  netpoll_break();
}

void* worker_main(void*) {
  for (;;) {
    BlockingTask* task = next_task();
    task->run(task->arg);
    // Idle before the completion is known: who makes call after call then stays with one worker.
    pool.lock.lock();
    pool.idle++;
    pool.lock.unlock();
    complete(task);
  }
}

void start_worker() {
  sigset_t all, before;
  sigfillset(&all);
  sys::thread_sigmask(SIG_BLOCK, &all, &before);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kWorkerStackBytes);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int failed = pthread_create(&thread, &attr, worker_main, nullptr);
  pthread_attr_destroy(&attr);
  sys::thread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failed) throw_("cannot start a worker thread: error " + std::to_string(failed));
}

// gopark's commit: from here on a worker may finish the task and its goroutine be made ready.
bool submit(G*, void* arg) {
  BlockingTask* task = static_cast<BlockingTask*>(arg);
  pool.in_flight.fetch_add(1, std::memory_order_relaxed);
  pool.lock.lock();
  append(pool.head, pool.tail, task);
  pool.queued++;
  const bool start = pool.queued > pool.idle && pool.workers < kMaxWorkers;
  if (start) {
    pool.workers++;
    pool.idle++;
  }
  pool.lock.unlock();
  pool.tokens.fetch_add(1, std::memory_order_release);
  if (start) {
    start_worker();
  } else {
    sys::call(SYS_futex, &pool.tokens, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  return true;
}

}  // namespace

void blocking_run(BlockingTask* task) {
  task->gp = curg();
  if (!task->gp || getg() != task->gp) {
    task->run(task->arg);
    return;
  }
  netpollinit();
  gopark(submit, task, WaitReason::syscall);
}

bool has_completions() { return pool.any_done.load(std::memory_order_acquire); }

BlockingTask* take_completions() {
  if (!has_completions()) return nullptr;
  pool.done_lock.lock();
  BlockingTask* first = pool.done_head;
  pool.done_head = pool.done_tail = nullptr;
  pool.any_done.store(false, std::memory_order_relaxed);
  pool.done_lock.unlock();
  for (BlockingTask* task = first; task; task = task->next) {
    pool.in_flight.fetch_sub(1, std::memory_order_relaxed);
  }
  return first;
}

void workers_before_fork() {
  pool.lock.lock();
  pool.done_lock.lock();
}

// The child has no workers: the next call starts one, which makes the calls that wait in the queue as
// well. Those that a worker was making have no end.
void workers_after_fork(bool in_child) {
  if (in_child) {
    pool.idle = pool.workers = 0;
    pool.tokens.store(pool.queued, std::memory_order_relaxed);
    uint32_t done = 0;
    for (const BlockingTask* task = pool.done_head; task != nullptr; task = task->next) ++done;
    pool.in_flight.store(pool.queued + done, std::memory_order_relaxed);
  }
  pool.done_lock.unlock();
  pool.lock.unlock();
}

uint32_t blocking_in_flight() { return pool.in_flight.load(std::memory_order_relaxed); }

}  // namespace reprise::rt
