// sysmon: a thread without a P that repairs what the Ms cannot see from where they are.
//
// It takes Ps from system calls that last or that a slice ends in, asks goroutines that run for long to give way, looks at
// the poller if nobody has for 10 ms, wakes an M for timers that are overdue, starts a cycle of the collector
// if the last is two minutes old, prints schedtrace, and makes threads for those who may not (m.cc). It sleeps 20 us while there is something to do,
// twice as long each time after 50 idle rounds, up to 10 ms. While every P is idle it naps for 10 ms, which only a system call
// ends, since that may last: whoever starts to run has a slice of as long. If nobody has run meanwhile it
// sleeps until somebody does. (It once slept so whenever every P was idle: a program that waits a thousand times a second,
// for a timer or a request, woke it each time, which cost three futex calls and a switch of threads.)
//
// It has no M and no g: to the rest of the runtime it is a foreign thread, whose goready() and
// startm() go through the global queue and the idle lists. While it holds goroutines or a P in its hands
// the program is not dead, though no M runs: it says so in nmidlelocked.
//
// In controlled modes it sleeps; a program under the stage has none.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "runtime/boot/boot.h"
#include "runtime/gc/gc.h"
#include "runtime/poll/netpoll.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/m.h"
#include "runtime/sched/native.h"

namespace reprise::rt {

namespace {

constexpr int64_t kShortNs = 20'000;
constexpr int64_t kLongNs = 10'000'000;
constexpr int kPatience = 50;                    // idle rounds before it sleeps longer
constexpr int64_t kForcePreemptNs = 10'000'000;  // the reference's slice
constexpr int64_t kAskAgainNs = 100'000;  // a signal may come where nothing can be interrupted
constexpr int64_t kPollNs = 10'000'000;
constexpr int64_t kDeepNs = 60'000'000'000;

std::atomic<bool> started{false};
std::atomic<bool> passing{false};

// How long a goroutine may run while others wait; REPRISE_DEBUG=slice_us=N for tests.
int64_t slice_ns() {
  const int32_t us = debug_vars().slice_us;
  return us != 0 ? int64_t{us} * 1000 : kForcePreemptNs;
}

// One more M seems to run than does, so that checkdead() keeps quiet.
class Alive {
 public:
  Alive() { add(-1); }
  ~Alive() { add(1); }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

 private:
  static void add(int32_t delta) {
    sched.lock.lock();
    sched.nmidlelocked += delta;
    if (delta > 0) checkdead();
    sched.lock.unlock();
  }
};

// Takes pp from its system call if that lasts, or if the slice is over: a goroutine that makes one short call after
// another is never seen running. True if it did.
bool retake_syscall(P* pp, int64_t now, bool slice_over) {
  SysmonTick& seen = pp->sysmontick;
  const uint32_t tick = pp->syscalltick.load(std::memory_order_relaxed);
  if (seen.syscalltick != tick) {
    seen.syscalltick = tick;
    seen.syscallwhen_ns = now;
    if (!slice_over) return false;
  }
  // It may stay where it is while there is nothing for it to run and others look for work; but not
  // for ever, since a P in a system call keeps us from sleeping.
  const bool others = sched.wakeup.nmspinning.load(std::memory_order_relaxed) +
                          sched.wakeup.npidle.load(std::memory_order_relaxed) > 0;
  if (runqempty(pp) && others && now - seen.syscallwhen_ns < kForcePreemptNs) return false;
  const Alive alive;  // before the swap: the M that loses its P may go idle at once
  PStatus expected = PStatus::syscall;
  // Acquire: what the M did with the P before the call. Its M finds the P gone by the same swap.
  if (!pp->status.compare_exchange_strong(expected, PStatus::idle, std::memory_order_acq_rel)) {
    return false;
  }
  pp->syscalltick.store(tick + 1, std::memory_order_relaxed);
  handoffp(pp);
  return true;
}

bool slice_is_over(P* pp, int64_t now) {
  SysmonTick& seen = pp->sysmontick;
  const uint32_t tick = pp->schedtick.load(std::memory_order_relaxed);
  if (seen.schedtick != tick) {
    seen.schedtick = tick;
    seen.schedwhen_ns = now;
    return false;
  }
  return now - seen.schedwhen_ns >= slice_ns();
}

bool retake(int64_t now) {
  bool any = false;
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < procs; ++i) {
    P* pp = allp[i].load(std::memory_order_acquire);
    const PStatus status = pp->status.load(std::memory_order_acquire);
    if (status != PStatus::running && status != PStatus::syscall) continue;
    const bool slice_over = slice_is_over(pp, now);
    if (status == PStatus::syscall) {
      if (!retake_syscall(pp, now, slice_over)) continue;
      any |= !slice_over;
      pp->sysmontick.schedwhen_ns = now;  // its goroutine may find it idle and go on: the number of the slice stays
    } else if (slice_over && now - pp->sysmontick.askedwhen_ns >= std::min(kAskAgainNs, slice_ns())) {
      pp->sysmontick.askedwhen_ns = now;
      preemptone(pp);
    }
  }
  return any;
}

void poll_if_nobody_did(int64_t now) {
  int64_t last = sched.lastpoll.load(std::memory_order_relaxed);
  if (last == 0 || now - last < kPollNs || !netpollinited() || !netpoll_waiting()) return;
  if (!sched.lastpoll.compare_exchange_strong(last, now)) return;
  const Alive alive;
  GQueue ready;
  ready.head = netpoll_collect(0);
  injectglist(&ready);
}

// An M in the poller wakes for timers by itself, a busy P looks at its own. What is left is a heap
// whose P computes, or has been given up, while others are idle but nobody is in the poller.
void wake_for_timers(int64_t now) {
  const int64_t when = timers_earliest();
  if (when != INT64_MAX && now - when > kShortNs) startm(nullptr, false);
}

bool all_idle() {
  return sched.gcwaiting.load(std::memory_order_relaxed) ||
         sched.wakeup.npidle.load(std::memory_order_relaxed) ==
             sched.nprocs.load(std::memory_order_relaxed);
}

// Of all Ps so far. Hints: a slice that is missed is seen the next time.
uint32_t slices() {
  uint32_t sum = 0;
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < procs; ++i) {
    sum += allp[i].load(std::memory_order_acquire)->schedtick.load(std::memory_order_relaxed);
  }
  return sum;
}

// Sleeps if every P is idle, for long if they were all the time since the last call. True if it did sleep.
bool rest(uint32_t* slices_seen) {
  if (debug_vars().schedtrace_ms != 0 || !all_idle()) return false;
  const uint32_t seen = std::exchange(*slices_seen, slices());
  const bool deep = seen == *slices_seen || sched.gcwaiting.load(std::memory_order_relaxed);
  sched.lock.lock();
  const bool sleep = all_idle();
  if (sleep) sched.sysmonwait.store(deep ? SysmonWait::run : SysmonWait::syscall, std::memory_order_relaxed);
  sched.lock.unlock();
  if (!sleep) return false;
  note_sleep_for(&sched.sysmonnote, deep ? kDeepNs : std::min(kLongNs, slice_ns()));
  sched.lock.lock();
  sched.sysmonwait.store(SysmonWait::nothing, std::memory_order_relaxed);
  sched.lock.unlock();
  return true;
}

// Work of sysmon's on goroutines and Ps, of which there is none while a policy rules. A test that
// installs one meanwhile waits for the pass that has begun (await_sysmon): each stores its word, fences, and
// reads the other's, so that one of the two sees the other.
class Pass {
 public:
  Pass() {
    passing.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  ~Pass() {
    happens_before(&passing);
    passing.store(false, std::memory_order_release);  // what the pass did, for await_sysmon
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;
};

void* sysmon(void*) {
  int idle = 0;
  int64_t delay = kShortNs;
  uint32_t slices_seen = slices();
  for (;;) {
    delay = idle == 0 ? kShortNs : idle > kPatience ? std::min({delay * 2, kLongNs, slice_ns()}) : delay;
    note_sleep_for(&sched.sysmonnote, seam_active ? kDeepNs : delay);
    create_pending_threads();
    if (seam_active || sched.dying.load(std::memory_order_relaxed)) continue;
    if (rest(&slices_seen)) idle = 0;
    create_pending_threads();
    const Pass pass;
    if (seam_active) continue;
    const int64_t now = monotonic_ns();
    poll_if_nobody_did(now);
    idle = retake(now) ? 0 : idle + 1;
    wake_for_timers(now);
    preempt_requests_served();
    gc_force_if_old(now);
    if (debug_vars().schedtrace_ms != 0) schedtrace();
  }
}

}  // namespace

void start_sysmon() {
  if (seam_active || started.exchange(true)) return;
  if (!create_runtime_thread_masked(sysmon, nullptr)) throw_("runtime: failed to create new OS thread (sysmon)");
}

void await_sysmon() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (passing.load(std::memory_order_acquire)) sched_yield();
  happens_after(&passing);
}

void sysmon_is_gone() {
  started.store(false);
  passing.store(false);
}

void kick_sysmon() { note_wakeup(&sched.sysmonnote); }

void wake_sysmon(SysmonWait what) {
  const SysmonWait wait = sched.sysmonwait.load(std::memory_order_relaxed);
  if (wait == SysmonWait::nothing || (wait == SysmonWait::syscall && what == SysmonWait::run)) return;
  sched.sysmonwait.store(SysmonWait::nothing, std::memory_order_relaxed);
  note_wakeup(&sched.sysmonnote);
}

int64_t monotonic_ns() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);  // cannot fail for this clock
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace reprise::rt
