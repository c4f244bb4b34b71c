// Controlled modes: one P that travels between m0 and the Ms of locked goroutines.
//
// Invariants:
//  - The M that holds the P runs, every other M sleeps in stop_controlled() on its own g0, on its note.
//    The P moves by hand_over(): the goroutine and the P are written first, then the note is set;
//    nobody else may wake that M, so it needs no queue.
//  - m0 runs every goroutine that is not locked; an M made for a locked goroutine runs that one only.
//    So lock_os_thread on m0 moves the goroutine to a thread of its own. (Foreign thread identity
//    changes at that call, and again at the last unlock_os_thread.)
//  - A locked goroutine that exits takes its thread with it: the thread's state may be anything.
//
// Timers and the poller are looked at every kPollEvery rounds while goroutines are runnable, so that
// a busy ready set cannot starve them, whenever none is, and when a signal has come. The clock is read
// there only.
//
// Rejected: running unlocked goroutines on whichever M holds the P, as the reference does. One
// thread for all of them is what makes controlled runs the same (DESIGN, the baton). Only who is preempted at an instruction
// keeps a part of it, its thread-local variables (thread_block.h).
#include <sys/syscall.h>

#include "asm/asm.h"
#include "runtime/boot/boot.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/schedules.h"
#include "runtime/sched/seam.h"
#include "runtime/sched/stuck.h"
#include "runtime/sched/thread_block.h"
#include "runtime/signal/sigqueue.h"
#include "runtime/sim/sim.h"
#include "runtime/sys/interpose.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr uint64_t kPollEvery = 61;

M* spare_ms = nullptr;  // P: threads whose goroutine unlocked itself, asleep in stop_controlled()

// Looks at timers and the poller without blocking.
void poll_now() {
  if (timers_pending()) timers_run_due();
  if (netpoll_waiting()) netpoll(0);
  // What waits for the baton gets it: goroutines may give way to each other for ever until a thread has done something.
  if (program_threads() != 0) sys::call_kernel(SYS_sched_yield);
  if (signals_pending()) signals_deliver(ready_size() != 0);
  if (debug_vars().schedtrace_ms != 0) schedtrace();
  stuck_poll();
}

// Nothing is runnable: wait for a timer or the poller, or report that nothing can ever happen.
void wait_for_work() {
  if (debug_vars().schedtrace_ms != 0) schedtrace();
  if (signals_pending() && signals_deliver(false)) return;
  // What has arrived in a simulated world is there before time goes on.
  if (sim::world_open && netpoll_waiting() && netpoll(0)) return;
  int64_t wait_ns = -1;
  if (timers_pending()) {
    if (timers_run_due()) return;
    wait_ns = timers_wait_ns();
  }
  // A thread of the program may still wake somebody.
  if (wait_ns < 0 && !netpoll_waiting() && program_threads() == 0) {
    // Outside the stage threads run beside us: the last one readied whom it woke before it ceased to count.
    if (ready_size() != 0 || schedule_ended()) return;
    if (!signals_wanted()) deadlock();
  }
  if (wait_ns == 0 && schedule_idles()) return;
  stuck_idle();
  if (wait_ns == 0 && !netpoll_waiting()) return;  // the virtual clock has jumped to the deadline
  netpoll(wait_ns);
}

G* find_ready() {
  if (++sched.rounds % kPollEvery == 0 || sched.poll_soon || signals_pending()) {
    sched.poll_soon = false;
    poll_now();
  }
  for (;;) {
    if (G* gp = ready_take()) return gp;
    wait_for_work();
  }
}

M* take_m() {
  M* mp = spare_ms;
  if (mp == nullptr) return new_controlled_m();
  spare_ms = mp->schedlink;
  mp->schedlink = nullptr;
  return mp;
}

G* run(G* gp) {
  if (getm() == &reprise_m0) take_thread_block(gp);
  return execute(gp);
}

G* move_home_m(G* gp) {
  M* mp = getm();
  dropg(gp);
  casgstatus(gp, GStatus::running, GStatus::runnable);
  if (gp->locked_m == nullptr) {
    mp->locked_g = nullptr;
    mp->schedlink = spare_ms;
    spare_ms = mp;
  }
  return hand_over(home_of(gp), gp);
}

void newm_for(void* arg) {
  G* gp = static_cast<G*>(arg);
  M* mp = take_m();
  gp->locked_m = mp;
  mp->locked_g = gp;
}

// REQUIRES: sched.lock.
void take_off_idle_list(M* mp) {
  for (M** link = &sched.midle; *link != nullptr; link = &(*link)->schedlink) {
    if (*link != mp) continue;
    *link = mp->schedlink;
    mp->schedlink = nullptr;
    --sched.nmidle;
    return;
  }
}

// m0 may be asleep in native mode's stopm(), or on its way there.
G* come_home_m(G* gp) {
  dropg(gp);
  casgstatus(gp, GStatus::running, GStatus::runnable);
  P* pp = releasep();
  sched.lock.lock();
  take_off_idle_list(&reprise_m0);
  reprise_m0.next_g = gp;
  reprise_m0.nextp = pp;
  sched.lock.unlock();
  note_wakeup(&reprise_m0.park);
  stopm();
  return schedule_native({});  // the policy is gone
}

}  // namespace

G* stop_controlled() {
  M* mp = getm();
  note_sleep(&mp->park);
  G* gp = mp->next_g;
  mp->next_g = nullptr;
  return run(gp);
}

M* home_of(const G* gp) { return gp->locked_m != nullptr ? gp->locked_m : &reprise_m0; }

G* hand_over(M* target, G* gp) {
  M* mp = getm();
  P* pp = mp->p;
  mp->p = nullptr;
  pp->m.store(target, std::memory_order_relaxed);
  target->p = pp;
  target->next_g = gp;
  const bool exiting = mp->exiting;
  note_wakeup(&target->park);
  if (exiting) reprise_mexit();
  return stop_controlled();
}

G* schedule_controlled() {
  G* gp = find_ready();
  M* home = home_of(gp);
  if (home != getm() || getm()->exiting) return hand_over(home, gp);
  return run(gp);
}

void lock_os_thread_controlled(G* gp) {
  systemstack(newm_for, gp);
  mcall(move_home_m);
}

void unlock_os_thread_controlled(G* gp) {
  gp->locked_m = nullptr;
  mcall(move_home_m);
}

void come_home() {
  if (getm() != &reprise_m0) mcall(come_home_m);
}

}  // namespace reprise::rt
