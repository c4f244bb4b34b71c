// Ms, Ps and work around runtime/sched/wakeup.h and handoff.h, for the tests of who sleeps and who is woken.
//
// Ms are threads. An M looks at the global queue and at the rings of all Ps; if there is nothing it
// gives its P up as findrunnable() does and sleeps until startm() gives it one. What it finds it runs; a
// goroutine that `computes` never ends, so its M holds its P for good and looks at nothing any more.
#pragma once

#include <vector>

#include "runtime/sched/handoff.h"
#include "tests/model/runq_types.h"

namespace reprise::model {

// Which part of the protocol is left out: a seeded bug.
enum class Without {
  nothing,
  fence_of_submitter,    // S2
  fence_of_sleeper,      // I3
  second_look,           // I4
  wake_after_spinning,   // a spinning M that found work wakes nobody
  lock_around_claim,     // S5 takes its claim back after the unlock
  strong_exchange,       // runnext is published by release only, and no fence follows
  look_at_displaced,     // no fence after what runnext displaced went into the ring
};

inline Without without = Without::nothing;

inline bool submitting[kMaxThreads];  // which threads are inside wakep

struct Family {
  template <class T>
  using Atomic = model::Atomic<T>;
  static void fence(Order order) {
    const bool submitter = self() >= 0 && submitting[self()];
    if (without == Without::fence_of_submitter && submitter) return;
    if (without == Without::fence_of_sleeper && !submitter) return;
    model::fence(order);
  }
};

inline constexpr int kMs = 5;
inline constexpr int kPs = 3;
struct NextOrders {
  static Order of(Order order) {
    return without == Without::strong_exchange && order == Order::seq_cst ? Order::release : order;
  }
};
using Ring = ModelP<AsWritten, NextOrders>;

struct WakeP {
  Ring ring;
  Plain<WakeP*> link = nullptr;  // sched.lock
  explicit WakeP(int id) : ring("p" + std::to_string(id) + ".") {}
};

struct WakeM {
  Event note;
  WakeP* p = nullptr;
  Plain<WakeP*> nextp = nullptr;  // written before note is set
  bool spinning = false;
};

struct Work {
  ModelG g;
  bool computes = false;
};

struct Machine {
  ModelSched sched;
  rt::WakeupOf<Family> wakeup;
  WakeP p[kPs] = {WakeP(0), WakeP(1), WakeP(2)};
  WakeM m[kMs];
  int nprocs;
  Plain<WakeP*> pidle = nullptr;    // sched.lock
  std::vector<WakeM*> midle;        // sched.lock; also those that do not exist yet
  Work work[3];

  virtual ~Machine() = default;
  explicit Machine(int procs) : nprocs(procs) {
    wakeup.nmspinning.named("nmspinning");
    wakeup.npidle.named("npidle");
    for (int i = 0; i < 3; ++i) name_pointer(&work[i].g, "work" + std::to_string(i));
  }

  // ---- the hooks of wakeup.h and handoff.h, as idle_ms.cc has them ----
  void lock() { sched.lock.lock(); }
  void unlock() { sched.lock.unlock(); }
  WakeP* pidleget() {
    WakeP* pp = pidle;
    if (pp == nullptr) return nullptr;
    pidle = pp->link;
    wakeup.npidle.fetch_sub(1, Order::relaxed);
    return pp;
  }
  void pidleput(WakeP* pp) {
    pp->link = pidle;
    pidle = pp;
    wakeup.npidle.fetch_add(1, Order::relaxed);
  }
  void startm(WakeP* pp) { rt::startm(wakeup, *this, pp, true); }
  WakeM* mget() {
    if (midle.empty()) return nullptr;
    WakeM* mp = midle.back();
    midle.pop_back();
    return mp;
  }
  void mput(WakeM* mp) { midle.push_back(mp); }
  void count_new_m() { out_of_scope(); }  // it would make one more M
  void newm(WakeP*, bool) {}
  void note_wakeup(WakeM* mp) { mp->note.set(); }
  void note_sleep(WakeM* mp) { mp->note.wait(); }
  void started() {}
  bool any_work() {
    if (without == Without::second_look) return false;
    if (sched.global_size.load(Order::relaxed) != 0) return true;
    for (int i = 0; i < nprocs; ++i) {
      if (!rt::runqempty(&p[i].ring)) return true;
    }
    return false;
  }

  virtual bool unwatched() { return false; }

  // ---- submitting ----
  void wake() {
    submitting[self()] = true;
    if (without == Without::lock_around_claim) {
      wake_with_late_return();
    } else {
      rt::wakep(wakeup, *this);
    }
    submitting[self()] = false;
  }
  // wakep() but for the place of the fetch_sub.
  void wake_with_late_return() {
    Family::fence(Order::seq_cst);
    if (wakeup.npidle.load(Order::relaxed) == 0) return;
    int32_t none = 0;
    if (!wakeup.nmspinning.compare_exchange_strong(none, 1, Order::relaxed, Order::relaxed)) return;
    lock();
    WakeP* pp = pidleget();
    unlock();
    if (pp == nullptr) wakeup.nmspinning.fetch_sub(1, Order::relaxed);
    if (pp != nullptr) startm(pp);
  }
  void submit_from_outside(int i) {
    lock();
    rt::globrunqput(sched, written(&work[i].g));
    unlock();
    wake();
  }
  void submit(WakeP* pp, int i) {
    rt::runqput(sched, &pp->ring, written(&work[i].g), false);
    wake();
  }

  // As ready_put() does.
  void submit_next(WakeP* pp, int i) {
    const bool published = rt::runqput(sched, &pp->ring, written(&work[i].g), true);
    submitting[self()] = true;
    if (published || without == Without::look_at_displaced) {
      rt::wakep_published(wakeup, *this);
    } else {
      rt::wakep(wakeup, *this);
    }
    submitting[self()] = false;
  }

  // ---- an M ----
  ModelG* look(WakeP* pp) {
    if (ModelG* gp = rt::runqget(&pp->ring).gp) return gp;
    if (sched.global_size.load(Order::relaxed) != 0) {
      lock();
      ModelG* gp = rt::globrunqget(sched, &pp->ring, 1);
      unlock();
      if (gp != nullptr) return gp;
    }
    for (int i = 0; i < nprocs; ++i) {
      if (&p[i] == pp) continue;
      if (ModelG* gp = rt::runqsteal(sched, &pp->ring, &p[i].ring, true)) return gp;
    }
    return nullptr;
  }
  // False: the M computes for ever.
  bool run(WakeM* mp, ModelG* gp) {
    if (mp->spinning) {
      if (without == Without::wake_after_spinning) {
        mp->spinning = false;
        wakeup.nmspinning.fetch_sub(1, Order::relaxed);
      } else {
        submitting[self()] = true;
        rt::wakeup_reset_spinning(wakeup, *this, &mp->spinning);
        submitting[self()] = false;
      }
    }
    take(gp);
    for (const Work& w : work) {
      if (&w.g == gp) return !w.computes;
    }
    return true;
  }
  // findrunnable()'s end. The M has no P afterwards, or must look again.
  void go_idle(WakeM* mp) {
    lock();
    if (!sched.global.empty()) return unlock();
    mp->p = rt::wakeup_give_up(wakeup, *this, mp->p, &mp->spinning);
  }
  void sleep(WakeM* mp) { mp->p = rt::stopm(*this, mp); }
  // An M that is asleep from the start.
  void wait(WakeM* mp) {
    mp->note.wait();
    mp->p = mp->nextp;
    mp->nextp = nullptr;
  }
  void schedule(WakeM* mp) {
    schedule(mp, [this, mp] { sleep(mp); });
  }
  // idle(): what an M without a P does until it has one.
  template <class Idle>
  void schedule(WakeM* mp, Idle idle) {
    for (;;) {
      if (ModelG* gp = look(mp->p)) {
        if (!run(mp, gp)) return;
        continue;
      }
      go_idle(mp);
      if (mp->p == nullptr) idle();
    }
  }

  // ---- set-up ----
  void starts_with(int i, WakeP* pp, bool spinning) {
    m[i].p = pp;
    m[i].spinning = spinning;
    if (spinning) wakeup.nmspinning.fetch_add(1, Order::relaxed);
  }
  void starts_idle(WakeP* pp) { pidleput(pp); }
  void starts_asleep(int i) { midle.push_back(&m[i]); }

  // ---- the claim ----
  void nothing_forgotten() {
    bool queued = sched.global_size.load(Order::relaxed) != 0;
    for (int i = 0; i < nprocs; ++i) queued = queued || !rt::runqempty(&p[i].ring);
    check(!queued || wakeup.npidle.load(Order::relaxed) == 0,
          "lost wake-up: work is queued and a P is idle");
  }
};

}  // namespace reprise::model
