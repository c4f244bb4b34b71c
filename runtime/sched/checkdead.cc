// Deadlock detection in native mode: nobody runs, and nobody ever will.
//
// Looked at whenever an M goes idle, under sched.lock. Dead means: every M sleeps (an M in the poller,
// in a system call or in a goroutine counts as running), no timer is set, nobody waits for the
// poller, no thread of the program's runs. One case needs help: the last M awake blocks in the
// poller for something that is gone meanwhile. Its wait is broken, and it comes here itself.
#include "runtime/panic/fatal.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sys/interpose.h"

namespace reprise::rt {

namespace {

bool somebody_may_come() {
  return netpoll_waiting_natively() || timers_pending() || program_threads() != 0;
}

}  // namespace

void checkdead() {
  if (seam_active || !sched.booted || sched.dying.load(std::memory_order_relaxed)) return;
  const int32_t run = sched.mcount - sched.nmidle - sched.nmidlelocked;
  if (run > 1 || somebody_may_come()) return;
  if (run == 1) {
    if (sched.lastpoll.load(std::memory_order_relaxed) == 0) netpoll_break();
    return;
  }
  if (run < 0) throw_("checkdead: inconsistent counts");
  deadlock();
}

void recheck_deadlock() {
  if (seam_active) return netpoll_break();
  sched.lock.lock();
  checkdead();
  sched.lock.unlock();
}

}  // namespace reprise::rt
