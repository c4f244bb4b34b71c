// Idle Ms and Ps: who sleeps, who is woken, and how a P moves from one M to another.
//
// Invariants:
//  - An M sleeps on its note; whoever takes it off the idle list gives it a P (M::nextp) and sets the
//    note, once. An M locked to a goroutine is on no list: whoever finds its goroutine runnable
//    gives it the P (startlockedm).
//  - Every P that goes idle is followed by a look at all queues (wakeup.h); handoffp() is one of
//    these places.
//  - nmspinning counts an M from the moment that somebody decides to wake it as a spinning one.
#include <algorithm>

#include "runtime/sched/fibers.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"

namespace reprise::rt {

namespace {

// REQUIRES: sched.lock.
void mput(M* mp) {
  mp->schedlink = sched.midle;
  sched.midle = mp;
  ++sched.nmidle;
  checkdead();
}

// REQUIRES: sched.lock.
M* mget() {
  M* mp = sched.midle;
  if (mp == nullptr) return nullptr;
  sched.midle = mp->schedlink;
  mp->schedlink = nullptr;
  --sched.nmidle;
  return mp;
}

void incidlelocked(int32_t delta) {
  sched.lock.lock();
  sched.nmidlelocked += delta;
  if (delta > 0) checkdead();
  sched.lock.unlock();
}

// The hooks of wakeup.h.
struct Env {
  P* pidleget() { return rt::pidleget(); }
  void pidleput(P* pp) { rt::pidleput(pp); }
  void lock() { sched.lock.lock(); }
  void unlock() { sched.lock.unlock(); }
  void startm(P* pp) { rt::startm(pp, true); }
  bool any_work() { return any_runq_work(); }
};

bool world_stops_here(P* pp) {  // REQUIRES: sched.lock
  if (!sched.gcwaiting.load(std::memory_order_relaxed)) return false;
  pp->status.store(PStatus::gcstop, std::memory_order_release);
  if (--sched.stopwait == 0) note_wakeup(&sched.stopnote);
  return true;
}

// Whether somebody must run an otherwise idle P: work has come, or nobody would wait for timers and
// the poller. REQUIRES: sched.lock.
bool needed() {
  if (!sched.global.empty()) return true;
  const bool last = sched.wakeup.npidle.load(std::memory_order_relaxed) ==
                    sched.nprocs.load(std::memory_order_relaxed) - 1;
  return last && sched.lastpoll.load(std::memory_order_relaxed) != 0 &&
         (netpoll_waiting() || timers_pending());
}

// The P's release and the counters are ordered by the fence; see wakeup.h.
void look_again() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (any_runq_work()) wakep();
}

}  // namespace

P* pidleget() {
  P* pp = sched.pidle;
  if (pp == nullptr) return nullptr;
  sched.pidle = pp->link;
  pp->link = nullptr;
  sched.wakeup.npidle.fetch_sub(1, std::memory_order_relaxed);  // wakeup.h
  return pp;
}

void pidleput(P* pp) {
  if (!runqempty(pp)) throw_("pidleput: P has non-empty run queue");
  pp->link = sched.pidle;
  sched.pidle = pp;
  sched.wakeup.npidle.fetch_add(1, std::memory_order_relaxed);  // wakeup.h
}

void wakep() {
  Env env;
  rt::wakep(sched.wakeup, env);
}

void reset_spinning(M* mp) {
  Env env;
  wakeup_reset_spinning(sched.wakeup, env, &mp->spinning);
}

void become_spinning(M* mp) { wakeup_become_spinning(sched.wakeup, &mp->spinning); }

P* give_up_p(P* pp, M* mp) {
  Env env;
  return wakeup_give_up(sched.wakeup, env, pp, &mp->spinning);
}

void startm(P* pp, bool spinning) {
  sched.lock.lock();
  if (pp == nullptr) pp = pidleget();
  if (pp == nullptr) {
    // Under the lock, as wakeup.h says of a claim that is taken back.
    if (spinning) sched.wakeup.nmspinning.fetch_sub(1, std::memory_order_relaxed);
    return sched.lock.unlock();
  }
  M* mp = mget();
  // Counted before the lock is released, or the program could look dead until the thread is up.
  if (mp == nullptr) ++sched.mcount;
  wake_sysmon();
  sched.lock.unlock();
  if (mp == nullptr) return newm(pp, spinning);
  mp->spinning = spinning;
  mp->nextp = pp;
  note_wakeup(&mp->park);
}

void stopm() {
  M* mp = getm();
  if (mp->p != nullptr || mp->spinning) throw_("stopm: M has a P or spins");
  sched.lock.lock();
  if (mp->nextp == nullptr) mput(mp);
  sched.lock.unlock();
  note_sleep(&mp->park);
  P* pp = mp->nextp;
  mp->nextp = nullptr;
  acquirep(pp);
  // A test installed a policy, and its goroutine comes home.
  if (G* gp = mp->next_g) {
    mp->next_g = nullptr;
    execute(gp);
  }
}

void handoffp(P* pp) {
  if (sched.gcwaiting.load(std::memory_order_relaxed)) {
    sched.lock.lock();
    const bool stopped = world_stops_here(pp);
    sched.lock.unlock();
    if (stopped) return;
  }
  if (!runqempty(pp) || sched.global_size.load(std::memory_order_relaxed) != 0) {
    return startm(pp, false);
  }
  // Nobody looks for work and no P is idle: somebody should look with this one.
  int32_t none = 0;
  if (sched.wakeup.npidle.load(std::memory_order_relaxed) == 0 &&
      sched.wakeup.nmspinning.compare_exchange_strong(none, 1, std::memory_order_relaxed)) {
    return startm(pp, true);
  }
  sched.lock.lock();
  if (world_stops_here(pp)) return sched.lock.unlock();
  if (needed()) {
    sched.lock.unlock();
    return startm(pp, false);
  }
  pidleput(pp);
  sched.lock.unlock();
  look_again();
  const int64_t when = timers_earliest_of(pp->timers);
  if (when != INT64_MAX) wake_net_poller(when);
}

void stoplockedm() {
  M* mp = getm();
  if (mp->locked_g == nullptr || mp->locked_g->locked_m != mp) {
    throw_("stoplockedm: inconsistent locking");
  }
  if (mp->p != nullptr) handoffp(releasep());
  incidlelocked(1);
  note_sleep(&mp->park);
  P* pp = mp->nextp;
  mp->nextp = nullptr;
  acquirep(pp);
}

void startlockedm(G* gp) {
  M* mp = gp->locked_m;
  if (mp == getm() || mp->nextp != nullptr) throw_("startlockedm: M is running or has a P");
  incidlelocked(-1);
  mp->nextp = releasep();
  note_wakeup(&mp->park);
  stopm();
}

void gcstopm() {
  M* mp = getm();
  if (mp->spinning) {
    mp->spinning = false;
    // Whoever relied on us is served when the world starts, which wakes an M.
    sched.wakeup.nmspinning.fetch_sub(1, std::memory_order_relaxed);
  }
  P* pp = releasep();
  sched.lock.lock();
  if (!world_stops_here(pp)) {
    // The world goes again already.
    sched.lock.unlock();
    return acquirep(pp);
  }
  sched.lock.unlock();
  stopm();
}

void injectglist(GQueue* list) {
  if (list->empty()) return;
  uint32_t count = 0;
  for (G* gp = list->head; gp != nullptr; gp = gp->schedlink) {
    fiber_readied(gp);
    casgstatus(gp, GStatus::waiting, GStatus::runnable);
    list->tail = gp;
    ++count;
  }
  if (P* pp = getp()) {
    runqputbatch(sched, pp, list, count);
    return wakep();
  }
  sched.lock.lock();
  globrunqputbatch(sched, list->head, list->tail, count);
  const int32_t idle = sched.wakeup.npidle.load(std::memory_order_relaxed);
  sched.lock.unlock();
  *list = {};
  for (int32_t n = std::min<int32_t>(idle, static_cast<int32_t>(count)); n > 0; --n) startm(nullptr, false);
}

}  // namespace reprise::rt
