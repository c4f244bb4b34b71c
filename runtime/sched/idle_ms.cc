// Idle Ms and Ps: who sleeps, who is woken, and how a P moves from one M to another. The protocols are handoff.h's
// and wakeup.h's.
//
// Invariant: an M locked to a goroutine is on no list: whoever finds its goroutine runnable gives it the P
// (startlockedm).
#include <algorithm>

#include "runtime/gc/gc.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/handoff.h"
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

bool world_stops_here(P* pp) {  // REQUIRES: sched.lock
  if (!sched.gcwaiting.load(std::memory_order_relaxed)) return false;
  pp->status.store(PStatus::gcstop, std::memory_order_release);
  if (--sched.stopwait == 0) note_wakeup(&sched.stopnote);
  return true;
}

// There are timers or descriptors, and no M waits for them. A hint.
bool unwatched() {
  return sched.lastpoll.load(std::memory_order_relaxed) != 0 && (netpoll_waiting_natively() || timers_pending());
}

// Whether somebody must run an otherwise idle P: work has come, or nobody would wait for timers and
// the poller. REQUIRES: sched.lock.
bool needed() {
  if (!sched.global.empty()) return true;
  const bool last = sched.wakeup.npidle.load(std::memory_order_relaxed) ==
                    sched.nprocs.load(std::memory_order_relaxed) - 1;
  return last && unwatched();
}

// The hooks of wakeup.h and handoff.h.
struct Env {
  P* pidleget() { return rt::pidleget(); }
  void pidleput(P* pp) { rt::pidleput(pp); }
  void lock() { sched.lock.lock(); }
  void unlock() { sched.lock.unlock(); }
  void startm(P* pp) { rt::startm(pp, true); }
  bool any_work() { return any_runq_work(); }
  bool unwatched() { return gc_may_need_worker() || rt::unwatched(); }

  M* mget() { return rt::mget(); }
  void mput(M* mp) { rt::mput(mp); }
  void count_new_m() { ++sched.mcount; }
  void newm(P* pp, bool spinning) { rt::newm(pp, spinning); }
  void note_wakeup(M* mp) { rt::note_wakeup(&mp->park); }
  void note_sleep(M* mp) { rt::note_sleep(&mp->park); }
  bool world_stops() { return sched.gcwaiting.load(std::memory_order_relaxed); }
  bool world_stops_here(P* pp) { return rt::world_stops_here(pp); }
  bool has_work(P* pp) {
    if (!runqempty(pp) || sched.global_size.load(std::memory_order_relaxed) != 0) return true;
    return gc_may_need_worker() && gc_has_work(pp);
  }
  bool needed() { return rt::needed(); }
  void started() { wake_sysmon(); }
};

}  // namespace

P* pidleget() {
  P* pp = sched.pidle;
  if (pp == nullptr) return nullptr;
  sched.pidle = pp->link;
  pp->link = nullptr;
  sched.wakeup.npidle.fetch_sub(1, std::memory_order_relaxed);  // wakeup.h
  // A slice begins, also for what comes from runnext: sysmon sees that somebody ran. Ours to write, since nobody has it.
  pp->schedtick.store(pp->schedtick.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return pp;
}

P* idle_p_or_queue(G* gp) {
  P* pp = pidleget();
  if (pp == nullptr) globrunqput(sched, gp);
  wake_sysmon();
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

void wakep_published() {
  Env env;
  rt::wakep_published(sched.wakeup, env);
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
  Env env;
  startm(sched.wakeup, env, pp, spinning);
}

void stopm() {
  M* mp = getm();
  if (mp->p != nullptr || mp->spinning) throw_("stopm: M has a P or spins");
  Env env;
  acquirep(stopm(env, mp));
}

void handoffp(P* pp) {
  Env env;
  if (!handoffp(sched.wakeup, env, pp)) return;
  const int64_t when = timers_earliest_of(pp);
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
