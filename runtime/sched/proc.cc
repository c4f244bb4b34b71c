// The scheduler: park, ready, yield, and the loop on g0 that picks who goes next.
//
// Invariants:
//  - Only the M that holds the P executes a goroutine or touches the ready set; another thread's
//    goready() goes through the global queue and wakes the poller.
//  - A goroutine is `running` on exactly one M, or in exactly one place that makes it `runnable`
//    later, or in the ready set.
//  - schedule() never returns: it ends in gogo. Whoever comes back to g0 comes by mcall, at the top
//    of g0's stack, so that nothing accumulates there.
//  - A goroutine leaves its M only in park_m, gosched_m and goexit0, where its errno and exception
//    globals are taken out of the thread; execute() puts them back.
//
// Timers and the poller are looked at every kPollEvery rounds while goroutines are runnable, so that
// a busy ready set cannot starve them, and whenever none is. The clock is read there only.
#include "runtime/sched/proc.h"

#include <cerrno>
#include <cstdio>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/mem/stack.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/sched.h"
#include "runtime/seam/names.h"
#include "runtime/sched/seam.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {

namespace {

constexpr uint64_t kPollEvery = 61;

void dropg(G* gp) {
  save_thread_state(gp);
  gp->ctx.m->ctx.curg = nullptr;
  gp->ctx.m = nullptr;
}

void check_canary(G* gp) {
  if (gp->ctx.stack_guard == gp->ctx.stack_lo && !stack_canary_intact(gp->ctx.stack_lo)) {
    stack_overflow(gp);
  }
}

void park_m(G* gp) {
  M* mp = getm();
  auto* const unlockf = mp->wait_unlock_f;
  void* const lock = mp->wait_lock;
  mp->wait_unlock_f = nullptr;
  mp->wait_lock = nullptr;
  check_canary(gp);
  dropg(gp);
  seam_note_block(gp);
  casgstatus(gp, GStatus::running, GStatus::waiting);
  // From the unlock on somebody may make gp runnable; it may not be touched any more.
  if (unlockf != nullptr && !unlockf(gp, lock)) {
    casgstatus(gp, GStatus::waiting, GStatus::runnable);
    execute(gp);
  }
  reprise_schedule();
}

void gosched_m(G* gp) {
  check_canary(gp);
  dropg(gp);
  casgstatus(gp, GStatus::running, GStatus::runnable);
  ready_put(gp);
  reprise_schedule();
}

bool unlock_commit(G*, void* lock) {
  static_cast<Lock*>(lock)->unlock();
  return true;
}

// Looks at timers and the poller without blocking.
void poll_now() {
  if (timers_pending()) timers_run_due();
  if (netpoll_waiting()) netpoll(0);
  if (debug_vars().schedtrace_ms != 0) schedtrace();
}

// Nothing is runnable: wait for a timer or the poller, or report that nothing can ever happen.
void wait_for_work() {
  if (debug_vars().schedtrace_ms != 0) schedtrace();
  int64_t wait_ns = -1;
  if (timers_pending()) {
    if (timers_run_due()) return;
    wait_ns = timers_wait_ns();
  }
  // A thread of the program may still wake somebody.
  if (wait_ns < 0 && !netpoll_waiting() && program_threads() == 0) deadlock();
  if (wait_ns == 0 && !netpoll_waiting()) return;  // the virtual clock has jumped to the deadline
  netpoll(wait_ns);
}

}  // namespace

void save_thread_state(G* gp) {
  M* mp = gp->ctx.m;
  gp->saved_errno = *mp->errno_location;
  gp->eh = *mp->eh_location;
  *mp->eh_location = {};
}

void load_thread_state(G* gp) {
  M* mp = gp->ctx.m;
  *mp->errno_location = gp->saved_errno;
  *mp->eh_location = gp->eh;
}

void execute(G* gp) {
  M* mp = getm();
  mp->ctx.curg = gp;
  gp->ctx.m = mp;
  gp->wait_reason = WaitReason::none;
  casgstatus(gp, GStatus::runnable, GStatus::running);
  ++mp->p->schedtick;
  load_thread_state(gp);
  gogo(gp);
}

G* findrunnable() {
  if (++sched.rounds % kPollEvery == 0 || sched.poll_soon) {
    sched.poll_soon = false;
    poll_now();
  }
  for (;;) {
    if (G* gp = ready_take()) return gp;
    wait_for_work();
  }
}

void gopark(bool (*unlockf)(G*, void*), void* lock, WaitReason reason) {
  G* gp = require_goroutine("a blocking operation");
  M* mp = gp->ctx.m;
  mp->wait_unlock_f = unlockf;
  mp->wait_lock = lock;
  gp->wait_reason = reason;
  gp->wait_site = seam::site_of(__builtin_return_address(0));
  mcall(park_m);
}

// One thread holds the P and looks at timers in every round that finds nothing; only another may have
// to wake it.
void wake_net_poller(int64_t) {
  if (getp() == nullptr) netpoll_break();
}

void goparkunlock(Lock* lock, WaitReason reason) { gopark(unlock_commit, lock, reason); }

void goready(G* gp) {
  seam_note_wake(gp);
  casgstatus(gp, GStatus::waiting, GStatus::runnable);
  ready_put(gp);
  if (getp() == nullptr) netpoll_break();
}

void gosched() {
  G* gp = require_goroutine("yield");
  gp->op = seam::OpKind::yield;
  gp->op_site = seam::site_of(__builtin_return_address(0));
  gp->access_count = 0;
  gosched_announced();
}

void gosched_announced() { mcall(gosched_m); }

int gomaxprocs(int n) {
  const int before = sched.gomaxprocs;
  if (n > 0) sched.gomaxprocs = n;
  return before;
}

G* require_goroutine(const char* api) {
  G* gp = getg();
  if (gp != nullptr && gp == curg()) [[likely]] return gp;
  require_booted(api);
  char text[160];
  std::snprintf(text, sizeof text, "%s %s", api,
                gp != nullptr ? "on the scheduler's stack" : "on a thread that runs no goroutine");
  throw_(text);
}

void require_booted(const char* api) {
  if (sched.booted) return;
  char text[160];
  std::snprintf(text, sizeof text,
                "%s before the runtime is up: static constructors run before schedinit; use "
                "REPRISE_INIT(name, deps...) instead", api);
  throw_(text);
}

}  // namespace reprise::rt

extern "C" void reprise_schedule() {
  using namespace reprise::rt;
  G* gp = findrunnable();
  M* home = home_of(gp);
  if (home != getm() || getm()->exiting) hand_over(home, gp);
  execute(gp);
}
