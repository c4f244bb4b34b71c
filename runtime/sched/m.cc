// Threads: m0, the threads of goroutines locked to one, and the P that travels between them.
//
// Invariants:
//  - One P: the M that holds it runs, every other M sleeps in stopm() on its own g0, on its note
//    (M::park). The P moves by hand_over(): the goroutine and the P are written first, then the note
//    is set; nobody else may wake that M, so it needs no queue.
//  - m0 runs every goroutine that is not locked; an M made for a locked goroutine runs that one only.
//    So lock_os_thread on m0 moves the goroutine to a thread of its own. (Foreign thread identity
//    changes at that call, and again at the last unlock_os_thread.)
//  - A locked goroutine that exits takes its thread with it: the thread's state may be anything.
//
// Rejected: running unlocked goroutines on whichever M holds the P, as the reference does. One
// thread-local block for all of them is what makes controlled runs the same (DESIGN, the baton).
#include <cxxabi.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "asm/asm.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/m.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

namespace {

M* spare_ms = nullptr;  // P: threads whose goroutine unlocked itself, asleep in stopm()

void note_sleep(M* mp) {
  while (mp->park.load(std::memory_order_acquire) == 0) {
    syscall(SYS_futex, &mp->park, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  }
  mp->park.store(0, std::memory_order_relaxed);
}

void note_wakeup(M* mp) {
  mp->park.store(1, std::memory_order_release);
  syscall(SYS_futex, &mp->park, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// Sleeps until somebody hands this M the P and a goroutine.
[[noreturn]] void stopm() {
  M* mp = getm();
  note_sleep(mp);
  G* gp = mp->next_g;
  mp->next_g = nullptr;
  execute(gp);
}

void mstart1() { stopm(); }

void* thread_main(void* arg) {
  M* mp = static_cast<M*>(arg);
  reprise_tls_g = mp->ctx.g0;
  char here;
  mp->ctx.g0->ctx.stack_hi = reinterpret_cast<uint64_t>(&here);
  mp->ctx.g0->ctx.stack_lo = mp->ctx.g0->ctx.stack_hi - (64 << 10);
  minit(mp);
  reprise_mstart(mstart1);
  munit(mp);
  reprise_tls_g = nullptr;
  return nullptr;
}

// A thread with an M, asleep until the first hand-over. The M is never freed: it is in allms.
M* newm() {
  if (M* mp = spare_ms) {
    spare_ms = mp->schedlink;
    mp->schedlink = nullptr;
    return mp;
  }
  M* mp = new M;
  mp->ctx.g0 = new G;
  mp->ctx.g0->ctx.m = mp;
  mcommoninit(mp);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int error = pthread_create(&thread, &attr, thread_main, mp);
  pthread_attr_destroy(&attr);
  if (error != 0) throw_("lock_os_thread: cannot create a thread");
  return mp;
}

void move_home_m(G* gp) {
  save_thread_state(gp);
  M* mp = getm();
  mp->ctx.curg = nullptr;
  gp->ctx.m = nullptr;
  casgstatus(gp, GStatus::running, GStatus::runnable);
  if (gp->locked_m == nullptr) {
    mp->locked_g = nullptr;
    mp->schedlink = spare_ms;
    spare_ms = mp;
  }
  hand_over(home_of(gp), gp);
}

void newm_for(void* arg) {
  G* gp = static_cast<G*>(arg);
  M* mp = newm();
  gp->locked_m = mp;
  mp->locked_g = gp;
}

}  // namespace

void mcommoninit(M* mp) {
  sched.lock.lock();
  if (mp != &reprise_m0) {
    mp->id = sched.midgen++;
    mp->alllink = sched.allms;
    sched.allms = mp;
  }
  sched.lock.unlock();
}

void minit(M* mp) {
  mp->tid = static_cast<uint64_t>(syscall(SYS_gettid));
  mp->errno_location = &errno;
  mp->eh_location = reinterpret_cast<EhGlobals*>(abi::__cxa_get_globals());
  install_fault_stack(mp);
}

void munit(M* mp) { remove_fault_stack(mp); }

M* home_of(const G* gp) { return gp->locked_m != nullptr ? gp->locked_m : &reprise_m0; }

void hand_over(M* target, G* gp) {
  M* mp = getm();
  P* pp = mp->p;
  mp->p = nullptr;
  pp->m = target;
  target->p = pp;
  target->next_g = gp;
  const bool exiting = mp->exiting;
  note_wakeup(target);
  if (exiting) reprise_mexit();
  stopm();
}

void lock_os_thread() {
  G* gp = require_goroutine("lock_os_thread");
  if (gp->locked_count++ != 0) return;
  systemstack(newm_for, gp);
  mcall(move_home_m);
}

void unlock_os_thread() {
  G* gp = require_goroutine("unlock_os_thread");
  if (gp->locked_count == 0 || --gp->locked_count != 0) return;
  gp->locked_m = nullptr;
  mcall(move_home_m);
}

}  // namespace reprise::rt
