// runtime/sched/handoff.h itself, explored over wakeup.h and runq.h: Ms that give a P away because they cannot run
// it, Ms that sleep until they are given one, and somebody who stops the world meanwhile.
//
// The claims, in every final state: work is queued only if no P is idle; each P is in one hand; as many Ms
// are counted as spinning as spin; the world stops.
#include <gtest/gtest.h>

#include "tests/model/verify.h"
#include "tests/model/wakeup_types.h"

namespace reprise::model {
namespace {

enum class Flaw {
  none,
  note_before_p,       // startm sets the note and then hands the P over
  p_forgotten,         // stopm clears nextp when it is on the list already
  claim_by_store,      // handoffp looks at nmspinning and then stores it
  world_not_looked_at, // handoffp does not look under the lock whether the world stops
};

struct HandMachine : Machine {
  const Flaw flaw;
  Atomic<bool> gcwaiting{false};
  Plain<int> stopwait = 0;            // sched.lock
  Plain<bool> halted[kPs];            // sched.lock
  Event stopnote;

  HandMachine(int procs, Flaw with) : Machine(procs), flaw(with) {
    gcwaiting.named("gcwaiting");
    for (Plain<bool>& each : halted) each = false;
  }

  // ---- more hooks ----
  bool world_stops() { return gcwaiting.load(Order::relaxed); }
  bool world_stops_here(WakeP* pp) {
    if (flaw == Flaw::world_not_looked_at || !gcwaiting.load(Order::relaxed)) return false;
    halt_last(pp);
    return true;
  }
  bool has_work(WakeP* pp) { return !rt::runqempty(&pp->ring) || sched.global_size.load(Order::relaxed) != 0; }
  bool needed() { return !sched.global.empty(); }

  void halt(WakeP* pp) {
    halted[pp - p] = true;
    stopwait = stopwait - 1;
  }

  void halt_last(WakeP* pp) {
    halt(pp);
    if (stopwait == 0) stopnote.set();
  }

  // ---- what threads do ----
  // The M goes into a call that does not end.
  void block(WakeM* mp) {
    WakeP* pp = mp->p;
    mp->p = nullptr;
    if (flaw == Flaw::claim_by_store) return hand_off_by_store(pp);
    rt::handoffp(wakeup, *this, pp);
  }
  // handoffp() of a P without work, but for the exchange.
  void hand_off_by_store(WakeP* pp) {
    if (wakeup.npidle.load(Order::relaxed) == 0 && wakeup.nmspinning.load(Order::relaxed) == 0) {
      wakeup.nmspinning.store(1, Order::relaxed);
      return rt::startm(wakeup, *this, pp, true);
    }
    lock();
    pidleput(pp);
    unlock();
  }
  // startm(pp, false).
  void start(WakeP* pp) {
    if (flaw != Flaw::note_before_p) return rt::startm(wakeup, *this, pp, false);
    lock();
    WakeM* mp = mget();
    if (mp == nullptr) out_of_scope();
    unlock();
    note_wakeup(mp);
    mp->nextp = pp;
  }
  void stop(WakeM* mp) {
    if (flaw != Flaw::p_forgotten) return sleep(mp);
    lock();
    mput(mp);
    unlock();
    mp->nextp = nullptr;
    wait(mp);
  }
  // Idle Ps are taken, the others stop by themselves.
  void stop_the_world(WakeP* own) {
    lock();
    stopwait = nprocs;
    gcwaiting.store(true, Order::seq_cst);
    halt(own);
    while (WakeP* pp = pidleget()) halt(pp);
    const bool wait_for_others = stopwait > 0;
    unlock();
    if (wait_for_others) stopnote.wait();
    for (int i = 0; i < nprocs; ++i) check(halted[i], "the world is not stopped");
  }
  // An M that was handed a P notices that the world stops, as schedule() does.
  void run_until_stopped(WakeM* mp) {
    while (!gcwaiting.load(Order::acquire)) pause();
    WakeP* pp = mp->p;
    mp->p = nullptr;
    if (mp->spinning) wakeup.nmspinning.fetch_sub(1, Order::relaxed);
    mp->spinning = false;
    lock();
    halt_last(pp);
    unlock();
  }

  void each_p_in_one_hand() {
    for (int i = 0; i < nprocs; ++i) {
      int hands = halted[i] ? 1 : 0;
      for (const WakeM& each : m) hands += (each.p == &p[i]) + (each.nextp == &p[i]);
      for (WakeP* idle = pidle; idle != nullptr; idle = idle->link) hands += idle == &p[i];
      check(hands == 1, "a P is in one hand");
    }
  }
  void spinning_is_counted() {
    int32_t spinning = 0;
    for (const WakeM& each : m) spinning += each.spinning;
    check(wakeup.nmspinning.load(Order::relaxed) == spinning, "nmspinning is wrong");
  }
};

void expect_order(Scene& scene, HandMachine* w) {
  for (bool& inside : submitting) inside = false;
  const auto claims = [w] {
    w->nothing_forgotten();
    w->each_p_in_one_hand();
    w->spinning_is_counted();
  };
  scene.finally(claims);
  scene.at_rest([claims](unsigned) { claims(); });
}

void sleeper(Scene& scene, HandMachine* w, int i) {
  w->starts_asleep(i);
  scene.thread([w, i] {
    w->wait(&w->m[i]);
    w->schedule(&w->m[i]);
  });
}

// One P; work comes from outside while its M goes into a call.
Program blocks_while_somebody_submits(Flaw flaw = Flaw::none) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<HandMachine>(1, flaw);
    w->starts_with(0, &w->p[0], false);
    scene.thread([w] { w->submit_from_outside(0); });
    scene.thread([w] { w->block(&w->m[0]); });
    sleeper(scene, w, 1);
    expect_order(scene, w);
  };
}

// P0's M has queued work that computes, and queues more; a spinning M with P2 may take the first and spin no more
// while P1's M, relying on it, leaves its P idle.
Program blocks_while_the_last_spinning_one_finds_work(Flaw flaw = Flaw::none) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<HandMachine>(3, flaw);
    w->work[0].computes = w->work[1].computes = true;
    for (int i = 0; i < 3; ++i) w->starts_with(i, &w->p[i], i == 2);
    rt::runqput(w->sched, &w->p[0].ring, written(&w->work[0].g), false);
    scene.thread([w] { w->submit(w->m[0].p, 1); });  // and computes
    scene.thread([w] { w->block(&w->m[1]); });
    scene.thread([w] { w->schedule(&w->m[2]); });
    sleeper(scene, w, 3);
    expect_order(scene, w);
  };
}

Program two_block_at_once(Flaw flaw = Flaw::none) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<HandMachine>(2, flaw);
    for (int i = 0; i < 2; ++i) w->starts_with(i, &w->p[i], false);
    for (int i = 0; i < 2; ++i) scene.thread([w, i] { w->block(&w->m[i]); });
    for (int i = 2; i < 4; ++i) sleeper(scene, w, i);
    expect_order(scene, w);
  };
}

// An M goes to sleep while another hands out a P, as startlockedm() and start_the_world() do.
Program sleeps_while_a_P_is_handed_out(Flaw flaw = Flaw::none) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<HandMachine>(1, flaw);
    scene.thread([w] { w->start(&w->p[0]); });
    scene.thread([w] {
      w->stop(&w->m[0]);
      check(w->m[0].p == &w->p[0], "an M was woken without a P");
    });
    scene.finally([w] { w->each_p_in_one_hand(); });
  };
}

Program blocks_while_the_world_stops(Flaw flaw = Flaw::none) {
  return [flaw](Scene& scene) {
    auto* w = scene.make<HandMachine>(3, flaw);
    w->starts_with(1, &w->p[1], false);
    w->starts_idle(&w->p[2]);
    w->starts_asleep(2);
    scene.thread([w] { w->stop_the_world(&w->p[0]); });
    scene.thread([w] { w->block(&w->m[1]); });
    scene.thread([w] {
      w->wait(&w->m[2]);
      w->run_until_stopped(&w->m[2]);
    });
    scene.at_rest([w](unsigned blocked) {
      check(blocked == 1u << 2, "the stopper waits for ever");
      w->each_p_in_one_hand();
    });
    scene.finally([w] { w->each_p_in_one_hand(); });
  };
}

class HandoffModel : public testing::Test {
 protected:
  void SetUp() override { without = Without::nothing; }
  void TearDown() override { without = Without::nothing; }
};
class HandoffMutant : public HandoffModel {};

TEST_F(HandoffModel, work_that_comes_while_the_only_M_blocks_is_run) { verify(blocks_while_somebody_submits()); }
TEST_F(HandoffModel, a_P_left_to_a_spinning_M_that_found_other_work_is_not_idle_beside_work) {
  verify(blocks_while_the_last_spinning_one_finds_work());
}
TEST_F(HandoffModel, two_that_block_at_once_make_one_look) { verify(two_block_at_once()); }
TEST_F(HandoffModel, an_M_that_goes_to_sleep_gets_the_P_that_it_is_handed) { verify(sleeps_while_a_P_is_handed_out()); }
TEST_F(HandoffModel, the_world_stops_although_a_P_is_given_away) { verify(blocks_while_the_world_stops()); }

TEST_F(HandoffMutant, a_P_left_idle_without_a_second_look_is_found) {
  without = Without::second_look;
  finds("lost wake-up", blocks_while_the_last_spinning_one_finds_work());
}
TEST_F(HandoffMutant, a_P_left_idle_without_a_fence_is_found) {
  without = Without::fence_of_sleeper;
  finds("lost wake-up", blocks_while_the_last_spinning_one_finds_work());
}
TEST_F(HandoffMutant, a_spinning_M_claimed_by_load_and_store_is_found) {
  finds("nmspinning", two_block_at_once(Flaw::claim_by_store));
}
TEST_F(HandoffMutant, a_note_set_before_the_P_is_handed_over_is_found) {
  finds("", sleeps_while_a_P_is_handed_out(Flaw::note_before_p));
}
TEST_F(HandoffMutant, a_P_handed_over_and_forgotten_is_found) {
  finds("", sleeps_while_a_P_is_handed_out(Flaw::p_forgotten));
}
TEST_F(HandoffMutant, a_P_given_away_without_a_look_whether_the_world_stops_is_found) {
  finds("stopper", blocks_while_the_world_stops(Flaw::world_not_looked_at));
}

}  // namespace
}  // namespace reprise::model
