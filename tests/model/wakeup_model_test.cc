// runtime/sched/wakeup.h itself, explored: submitters against Ms that run out of work.
//
// Ms are threads. An M looks at the global queue and at the rings of all Ps; if there is nothing it
// gives its P up as findrunnable() does and sleeps until startm() gives it one. What it finds it runs; a
// goroutine that `computes` never ends, so its M holds its P for good and looks at nothing any more.
//
// The claim, in every final state: work is queued only if no P is idle. (An M that computes may have
// work in its own ring; then every other P computes too.)
#include "runtime/sched/wakeup.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/model/runq_types.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

// Which part of the protocol is left out: a seeded bug.
enum class Without {
  nothing,
  fence_of_submitter,    // S2
  fence_of_sleeper,      // I3
  second_look,           // I4
  wake_after_spinning,   // a spinning M that found work wakes nobody
  lock_around_claim,     // S5 takes its claim back after the unlock
};

Without without = Without::nothing;

bool submitting[kMaxThreads];  // which threads are inside wakep

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

constexpr int kMs = 5;
constexpr int kPs = 3;
using Ring = ModelP<>;

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

  explicit Machine(int procs) : nprocs(procs) {
    wakeup.nmspinning.named("nmspinning");
    wakeup.npidle.named("npidle");
    for (int i = 0; i < 3; ++i) name_pointer(&work[i].g, "work" + std::to_string(i));
  }

  // ---- the hooks of wakeup.h, as idle_ms.cc has them ----
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
  void startm(WakeP* pp) {
    lock();
    if (midle.empty()) out_of_scope();  // it would make one more M
    WakeM* mp = midle.back();
    midle.pop_back();
    unlock();
    mp->spinning = true;
    mp->nextp = pp;
    mp->note.set();
  }
  bool any_work() {
    if (without == Without::second_look) return false;
    if (sched.global_size.load(Order::relaxed) != 0) return true;
    for (int i = 0; i < nprocs; ++i) {
      if (!rt::runqempty(&p[i].ring)) return true;
    }
    return false;
  }

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
  void sleep(WakeM* mp) {
    lock();
    midle.push_back(mp);
    unlock();
    wait(mp);
  }
  void wait(WakeM* mp) {
    mp->note.wait();
    mp->p = mp->nextp;
    mp->nextp = nullptr;
  }
  void schedule(WakeM* mp) {
    for (;;) {
      if (ModelG* gp = look(mp->p)) {
        if (!run(mp, gp)) return;
        continue;
      }
      go_idle(mp);
      if (mp->p == nullptr) sleep(mp);
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

class WakeupModel : public testing::Test {
 protected:
  void SetUp() override { set(Without::nothing); }
  static void set(Without part) {
    without = part;
    for (bool& inside : submitting) inside = false;
  }
};
class WakeupMutant : public WakeupModel {};

void expect_no_lost_wakeup(Scene& scene, Machine* w) {
  for (bool& inside : submitting) inside = false;
  scene.finally([w] { w->nothing_forgotten(); });
  scene.at_rest([w](unsigned) { w->nothing_forgotten(); });
}

// The only M gives its P up while somebody outside submits.
Program giving_up(bool spinning) {
  return [spinning](Scene& scene) {
    auto* w = scene.make<Machine>(1);
    w->starts_with(0, &w->p[0], spinning);
    w->starts_asleep(1);
    scene.thread([w] { w->submit_from_outside(0); });
    scene.thread([w] { w->schedule(&w->m[0]); });
    scene.thread([w] {
      w->wait(&w->m[1]);
      w->schedule(&w->m[1]);
    });
    expect_no_lost_wakeup(scene, w);
  };
}

// A busy M submits to its own ring while the other one gives its P up.
Program own_ring(bool spinning) {
  return [spinning](Scene& scene) {
    auto* w = scene.make<Machine>(2);
    w->starts_with(0, &w->p[0], false);
    w->starts_with(1, &w->p[1], spinning);
    w->starts_asleep(2);
    scene.thread([w] { w->submit(w->m[0].p, 0); });  // and computes
    scene.thread([w] { w->schedule(&w->m[1]); });
    scene.thread([w] {
      w->wait(&w->m[2]);
      w->schedule(&w->m[2]);
    });
    expect_no_lost_wakeup(scene, w);
  };
}

// Work that computes is queued and an M spins, so the submission of more may rely on that one.
Program chain() {
  return [](Scene& scene) {
    auto* w = scene.make<Machine>(3);
    w->work[0].computes = w->work[1].computes = true;
    w->starts_with(0, &w->p[0], false);
    w->starts_with(1, &w->p[1], true);
    w->starts_idle(&w->p[2]);
    for (int i = 2; i < 4; ++i) w->starts_asleep(i);
    rt::runqput(w->sched, &w->p[0].ring, written(&w->work[0].g), false);
    scene.thread([w] { w->submit(w->m[0].p, 1); });
    scene.thread([w] { w->schedule(&w->m[1]); });
    for (int i = 2; i < 4; ++i) {
      scene.thread([w, i] {
        w->wait(&w->m[i]);
        w->schedule(&w->m[i]);
      });
    }
    expect_no_lost_wakeup(scene, w);
  };
}

// One P. Somebody has submitted and is about to wake an M, another one submits, and the M that gives
// its P up finds the first one's work itself: a wake-up is claimed, finds the P gone, and is taken back,
// while the second submitter relies on the claim.
Program claims() {
  return [](Scene& scene) {
    auto* w = scene.make<Machine>(1);
    w->starts_with(0, &w->p[0], false);
    for (int i = 0; i < 2; ++i) scene.thread([w, i] { w->submit_from_outside(i); });
    scene.thread([w] {
      w->go_idle(&w->m[0]);
      if (w->m[0].p == nullptr) w->sleep(&w->m[0]);
      w->schedule(&w->m[0]);
    });
    expect_no_lost_wakeup(scene, w);
  };
}

// Everybody at once: an outside submitter, a busy M with two pieces of work of which one computes, a
// spinning M, an idle P.
Program crowd() {
  return [](Scene& scene) {
    auto* w = scene.make<Machine>(3);
    w->work[0].computes = true;
    w->starts_with(0, &w->p[0], false);
    w->starts_with(1, &w->p[1], true);
    w->starts_idle(&w->p[2]);
    for (int i = 2; i < 5; ++i) w->starts_asleep(i);
    scene.thread([w] {
      w->submit(w->m[0].p, 0);
      w->submit(w->m[0].p, 1);
    });
    scene.thread([w] { w->submit_from_outside(2); });
    scene.thread([w] { w->schedule(&w->m[1]); });
    for (int i = 2; i < 5; ++i) {
      scene.thread([w, i] {
        w->wait(&w->m[i]);
        w->schedule(&w->m[i]);
      });
    }
    expect_no_lost_wakeup(scene, w);
  };
}

TEST_F(WakeupModel, a_spinning_M_gives_up_while_somebody_submits) { verify(giving_up(true)); }
TEST_F(WakeupModel, an_M_that_did_not_spin_gives_up_while_somebody_submits) {
  verify(giving_up(false));
}
TEST_F(WakeupModel, work_in_the_ring_of_a_busy_P_is_found_by_a_spinning_M) { verify(own_ring(true)); }
TEST_F(WakeupModel, work_in_the_ring_of_a_busy_P_is_found_by_an_M_that_did_not_spin) {
  verify(own_ring(false));
}
TEST_F(WakeupModel, whoever_finds_work_wakes_the_next) { verify(chain()); }
TEST_F(WakeupModel, a_claim_that_found_no_P_is_taken_back_in_time) { verify(claims()); }
TEST_F(WakeupModel, a_crowd_of_submitters_and_Ms_forgets_nothing) {
  Options options;
  options.search = Options::Search::pct;
  options.depth = 4;
  options.executions = soaking() ? 1'000'000 : 10'000;
  verify(crowd(), options);
}
TEST_F(WakeupMutant, a_submitter_without_its_fence_is_found) {
  set(Without::fence_of_submitter);
  finds("lost wake-up", own_ring(true));
}
TEST_F(WakeupMutant, a_sleeper_without_its_fence_is_found) {
  set(Without::fence_of_sleeper);
  finds("lost wake-up", own_ring(true));
}
TEST_F(WakeupMutant, a_sleeper_that_does_not_look_again_is_found) {
  set(Without::second_look);
  finds("lost wake-up", giving_up(true));
}
TEST_F(WakeupMutant, a_claim_taken_back_without_the_lock_is_found) {
  set(Without::lock_around_claim);
  finds("lost wake-up", claims());
}
TEST_F(WakeupMutant, a_spinning_M_that_wakes_nobody_is_found) {
  set(Without::wake_after_spinning);
  finds("lost wake-up", chain());
}

}  // namespace
}  // namespace reprise::model
