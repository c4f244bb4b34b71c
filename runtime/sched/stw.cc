// Stopping the world, and asking running goroutines to give way.
//
// The request is cooperative: P::preempt says which P, a bit in `seam_attention` makes the one branch
// of every scheduling point look at it (proc.h). A goroutine that passes none is interrupted by a signal
// (preempt.cc); one that computes in code where that is not allowed holds the stop up.
//
// Invariants: one stopper at a time (worldsema); stopwait counts the Ps that still run; the last P to
// stop sets stopnote. A P in a system call is taken by compare-and-swap and its M finds it gone.
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sema.h"

namespace reprise::rt {

namespace {

constexpr int64_t kAskAgainNs = 100'000;

std::atomic<uint32_t> worldsema{1};

template <class F>
void each_p(F f) {
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < procs; ++i) f(allp[i].load(std::memory_order_acquire));
}

// REQUIRES: sched.lock.
void take_stopped(P* pp) {
  pp->status.store(PStatus::gcstop, std::memory_order_release);
  --sched.stopwait;
}

// Takes what can be taken at once. True if some P still runs.
bool begin_stop() {
  sched.lock.lock();
  sched.stopwait = sched.nprocs.load(std::memory_order_relaxed);
  sched.gcwaiting.store(true);
  take_stopped(getp());  // before the others are asked: nobody asks, and signals, himself
  preemptall();
  each_p([](P* pp) {
    PStatus expected = PStatus::syscall;
    // Sequentially consistent where it fails, too: a status from before the call must not be read when its M
    // has looked at gcwaiting already (syscall.cc).
    if (!pp->status.compare_exchange_strong(expected, PStatus::idle)) return;
    pp->syscalltick.fetch_add(1, std::memory_order_relaxed);
    take_stopped(pp);
  });
  while (P* pp = pidleget()) take_stopped(pp);
  const bool wait = sched.stopwait > 0;
  sched.lock.unlock();
  return wait;
}

// Waits for the others; at most `limit_ns` if that is not negative. False: some P still runs.
bool finish_stop(int64_t limit_ns) {
  const int64_t begun = monotonic_ns();
  while (!note_sleep_for(&sched.stopnote, kAskAgainNs)) {
    if (limit_ns >= 0 && monotonic_ns() - begun > limit_ns) return false;
    preemptall();
  }
  return true;
}

// When everybody was told to go on. The reference's, too: what the caller is delayed by from then on is not the others' delay.
int64_t start_all(P* runnable) {
  while (runnable != nullptr) {
    P* pp = runnable;
    runnable = pp->link;
    pp->link = nullptr;
    startm(pp, false);
  }
  const int64_t now = monotonic_ns();
  wakep();  // somebody may have been turned away meanwhile
  return now;
}

int64_t start_again(int32_t procs) {
  sched.lock.lock();
  P* const runnable = procresize(procs);
  sched.gcwaiting.store(false);
  wake_sysmon();
  sched.lock.unlock();
  return start_all(runnable);
}

// Gives up waiting: Ps that stopped go on, the others have noticed nothing. False: the last one has
// stopped just now.
bool cancel_stop() {
  sched.lock.lock();
  if (sched.stopwait == 0) {
    sched.lock.unlock();
    note_sleep(&sched.stopnote);
    return false;
  }
  sched.gcwaiting.store(false);
  sched.stopwait = 0;
  P* runnable = nullptr;
  each_p([&](P* pp) {
    if (pp->status.load(std::memory_order_relaxed) != PStatus::gcstop) return;
    if (pp == getp()) return pp->status.store(PStatus::running, std::memory_order_relaxed);
    pp->status.store(PStatus::idle, std::memory_order_relaxed);
    if (runqempty(pp)) return pidleput(pp);
    pp->link = runnable;
    runnable = pp;
  });
  sched.lock.unlock();
  start_all(runnable);
  return true;
}

void on_g0(void (*f)(void*), void* arg) { systemstack(f, arg); }

}  // namespace

void stop_the_world() {
  semacquire(&worldsema);
  on_g0([](void*) {
    if (begin_stop()) finish_stop(-1);
  }, nullptr);
}

void quiesce(int64_t limit_ns) {
  uint32_t one = 1;
  if (!worldsema.compare_exchange_strong(one, 0, std::memory_order_acquire)) return;
  on_g0([](void* limit) {
    const bool stopped = !begin_stop() || finish_stop(*static_cast<int64_t*>(limit));
    if (stopped || !cancel_stop()) start_again(1);
  }, &limit_ns);
  semrelease(&worldsema);
}

void stop_is_gone() {
  worldsema.store(1, std::memory_order_relaxed);
  sched.gcwaiting.store(false, std::memory_order_relaxed);
  sched.stopwait = 0;
  sched.stopnote.store(kNoteClear, std::memory_order_relaxed);
}

int64_t start_the_world(int32_t procs) {
  struct {
    int32_t procs;
    int64_t when_ns;
  } start{procs, 0};
  on_g0([](void* arg) {
    auto* const s = static_cast<decltype(start)*>(arg);
    s->when_ns = start_again(s->procs);
  }, &start);
  semrelease(&worldsema);
  preempt_requests_served();
  return start.when_ns;
}

}  // namespace reprise::rt
