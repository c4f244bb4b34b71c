// runtime/sched/wakeup.h itself, explored: submitters against Ms that run out of work.
//
// The claim, in every final state: work is queued only if no P is idle. (An M that computes may have
// work in its own ring; then every other P computes too.)
#include <gtest/gtest.h>

#include "tests/model/verify.h"
#include "tests/model/wakeup_types.h"

namespace reprise::model {
namespace {

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

// The same with work that goes to the front, one piece after the other.
Program own_runnext(bool spinning, int pieces) {
  return [spinning, pieces](Scene& scene) {
    auto* w = scene.make<Machine>(2);
    w->starts_with(0, &w->p[0], false);
    w->starts_with(1, &w->p[1], spinning);
    w->starts_asleep(2);
    scene.thread([w, pieces] {
      for (int i = 0; i < pieces; ++i) w->submit_next(w->m[0].p, i);
    });
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
TEST_F(WakeupModel, work_at_the_front_of_a_busy_P_is_found_by_a_spinning_M) { verify(own_runnext(true, 1)); }
TEST_F(WakeupModel, work_at_the_front_of_a_busy_P_is_found_by_an_M_that_did_not_spin) {
  verify(own_runnext(false, 1));
}
TEST_F(WakeupModel, work_that_goes_before_other_work_of_a_busy_P_hides_none) {
  Options options;
  options.search = Options::Search::pct;
  options.depth = 4;
  options.executions = soaking() ? 1'000'000 : 10'000;
  verify(own_runnext(true, 2), options);
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
TEST_F(WakeupMutant, work_published_by_release_without_a_fence_is_found) {
  set(Without::strong_exchange);
  finds("lost wake-up", own_runnext(true, 1));
}
TEST_F(WakeupMutant, work_displaced_into_the_ring_without_a_fence_is_found) {
  set(Without::look_at_displaced);
  Options options;
  options.search = Options::Search::pct;
  options.depth = 4;
  options.executions = 100'000;
  options.stale_limit = 16;  // the thief looks often before it sleeps
  finds("lost wake-up", own_runnext(true, 2), options);
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
