// pthread_once and pthread_barrier_wait: who comes second waits parked.
//
// A once word is libc's: 0 not yet, 1 running, 2 done. If the function leaves by an exception or by
// pthread_exit the word returns to 0 and the next caller runs it. A barrier counts arrivals in its
// first word and rounds in its second; the count and the sharing are where libc's init put them. One
// shared between processes is refused on goroutines.
//
// What std::call_once left in variables of the thread is noted at entry and put back before the function runs: others may have
// used them while the goroutine waited. Behind the call they are written by address, which compilers keep, so the goroutine
// comes back on the thread that it came on (sched/std_once.h, sched/stays.h).
#ifndef REPRISE_SANITIZED

#include <pthread.h>
#include <threads.h>

#include <mutex>
#include <optional>

#include "runtime/race/race.h"
#include "runtime/sched/stays.h"
#include "runtime/sched/std_once.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {
namespace {

constexpr int kIdle = 0, kRunning = 1, kDone = 2;

// libc's struct pthread_barrier, as far as it is used.
struct Barrier {
  unsigned arrived;
  unsigned round;
  unsigned count;
  int shared;
};

void run_once(std::atomic_ref<int> word, const void* key, void (*function)()) {
  try {
    function();
  } catch (...) {
    word.store(kIdle, std::memory_order_release);
    unpark(key, kAllWaiters);
    throw;
  }
  race_release(key);
  word.store(kDone, std::memory_order_release);
  unpark(key, kAllWaiters);
}

// The closure is in the frame of std::call_once. It is not where the thread keeps it if the compiler held on to the
// address of another thread's variable across a wait: then what was meant to be called is not known.
void require_own(const StdOnce& once, const G* gp) {
  const auto closure = reinterpret_cast<uint64_t>(once.callable);
  if (once.call != nullptr && closure >= gp->ctx.stack_lo && closure < gp->ctx.stack_hi) return;
  throw_("std::call_once: the caller's function is noted at another thread, because the compiler kept the address of a "
         "thread_local across a wait; use reprise::Once, or call std::call_once from a function that is not inlined");
}

// Calls of std::call_once on goroutines.
class StdOnceCall {
 public:
  StdOnceCall() : noted_(std_once_here()) { require_own(noted_, curg()); }
  // Nothing is left behind that could be taken for another call's; std::call_once does the same next.
  ~StdOnceCall() { put_std_once({}); }
  StdOnceCall(const StdOnceCall&) = delete;
  StdOnceCall& operator=(const StdOnceCall&) = delete;
  void put_back() const { put_std_once(noted_); }

 private:
  StaysOnThread stays_;  // first
  StdOnce noted_;
};

int wait_at(Barrier* barrier) {
  seam_point(seam::OpKind::wait, {});
  race_release(barrier);
  std::atomic_ref<unsigned> round(barrier->round);
  const unsigned mine = round.load(std::memory_order_relaxed);
  std::atomic_ref<unsigned> arrived(barrier->arrived);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == barrier->count) {
    arrived.store(0, std::memory_order_relaxed);
    round.store(mine + 1, std::memory_order_release);
    unpark(barrier, kAllWaiters);
    race_acquire(barrier);
    return PTHREAD_BARRIER_SERIAL_THREAD;
  }
  while (round.load(std::memory_order_acquire) == mine)
    park(barrier, WaitReason::pthread_cond, nullptr,
         [=] { return round.load(std::memory_order_relaxed) == mine; });
  race_acquire(barrier);
  return 0;
}

}  // namespace
}  // namespace reprise::rt

using namespace reprise::rt;

extern "C" {

int pthread_once(pthread_once_t* once, void (*function)()) {
  std::atomic_ref<int> word(*once);
  if (word.load(std::memory_order_acquire) == kDone) {
    race_acquire(once);
    return 0;
  }
  std::optional<StdOnceCall> std_once;
  if (function == &std::__once_proxy && on_goroutine()) std_once.emplace();
  for (;;) {
    int seen = word.load(std::memory_order_acquire);
    if (seen == kDone) {
      race_acquire(once);
      return 0;
    }
    announce_call(reprise::seam::OpKind::once);
    seen = kIdle;
    if (word.compare_exchange_strong(seen, kRunning, std::memory_order_acquire)) {
      if (std_once) std_once->put_back();
      run_once(word, once, function);
      return 0;
    }
    if (seen == kRunning)
      park(once, WaitReason::pthread_lock, nullptr,
           [word] { return word.load(std::memory_order_relaxed) == kRunning; });
  }
}

void call_once(once_flag* flag, void (*function)()) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), function);
}

int pthread_barrier_wait(pthread_barrier_t* b) noexcept {
  auto* const barrier = reinterpret_cast<Barrier*>(b);
  if (barrier->shared == 0) return wait_at(barrier);
  static const auto libc_wait = libc_function<int(pthread_barrier_t*)>("pthread_barrier_wait");
  if (on_goroutine()) throw_("pthread_barrier_wait on a goroutine: the barrier is shared between processes");
  return libc_wait(b);
}

}  // extern "C"

#endif  // REPRISE_SANITIZED
