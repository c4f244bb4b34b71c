// runtime/time/timer_protocol.h itself, explored: Ps that run a heap's due timers against goroutines
// that start, restart and stop them.
//
// The explorer found a bug here: a_start_that_takes_the_timer_off_before_it_waits below is how it was.
//
// Claims in every behaviour: a timer that was started once fires once or was stopped; the calls of its
// function do not overlap; after a stop the function neither runs nor will, so that the timer can be
// freed; the queue holds a timer at most once.
#include "runtime/time/timer_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/model/explorer.h"
#include "tests/model/family.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

constexpr int64_t kNow = 10;

struct ModelTimer {
  Plain<bool> queued = false;  // heap's lock
  Plain<int64_t> when = 0;     // heap's lock
  Plain<int> calls = 0;        // by the function: overlapping calls, and calls after a stop, race here
  Plain<bool> alive = true;    // written by who frees it
};

struct Heap {
  Lock lock;
  Plain<bool> running = false;               // lock
  Plain<const ModelTimer*> firing = nullptr; // lock
  Atomic<int64_t> timer0_when{INT64_MAX};
  std::vector<ModelTimer*> queue;            // lock

  Heap() { timer0_when.named("timer0_when"); }

  void publish_min() {
    int64_t first = INT64_MAX;
    for (ModelTimer* t : queue) first = std::min<int64_t>(first, t->when);
    timer0_when.store(first, Order::relaxed);
  }
  bool remove(ModelTimer* t) {
    if (!t->queued) return false;
    queue.erase(std::find(queue.begin(), queue.end(), t));
    t->queued = false;
    return true;
  }
  void insert(ModelTimer* t, int64_t when) {
    check(!t->queued, "a timer was queued twice");
    t->queued = true;
    t->when = when;
    queue.push_back(t);
    publish_min();
  }
};

struct World {
  Heap heap;
  ModelTimer timer;
  World() {
    timer.calls.named("the timer's calls");
    timer.alive.named("the timer, freed");
  }

  bool run() {
    ModelTimer* taken = nullptr;
    return rt::timers_run(
        &heap, kNow,
        [&]() -> ModelTimer* {
          for (ModelTimer* t : heap.queue) {
            if (t->when > kNow) continue;
            taken = t;
            heap.remove(t);
            heap.publish_min();
            return t;
          }
          return nullptr;
        },
        [&] {
          check(taken->alive, "a freed timer fired");
          taken->calls = taken->calls + 1;
        });
  }
  bool start(int64_t when) {
    return rt::timer_modify(
        &heap, &timer,
        [this, when] {
          const bool was_queued = heap.remove(&timer);
          heap.insert(&timer, when);
          return was_queued;
        },
        [](int) { pause(); });
  }
  bool restart(int64_t when) {
    return rt::timer_modify(
        &heap, &timer,
        [this, when] {
          if (!heap.remove(&timer)) return false;
          heap.insert(&timer, when);
          return true;
        },
        [](int) { pause(); });
  }
  bool stop() {
    return rt::timer_modify(
        &heap, &timer,
        [this] {
          if (!heap.remove(&timer)) return false;
          heap.publish_min();
          return true;
        },
        [](int) { pause(); });
  }
};

TEST(TimerModel, two_Ps_fire_a_timer_once) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    for (int i = 0; i < 2; ++i) scene.thread([w] { w->run(); });
    scene.finally([w] { check(w->timer.calls == 1, "not fired once"); });
  });
}

TEST(TimerModel, a_stop_takes_the_timer_off_or_waits_for_its_function) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    scene.thread([w] {
      const bool was_queued = w->stop();
      check(w->timer.calls == (was_queued ? 0 : 1), "stopped and fired, or neither");
      w->timer.alive = false;
    });
  });
}

TEST(TimerModel, a_restart_fires_again_and_calls_do_not_overlap) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    for (int i = 0; i < 2; ++i) scene.thread([w] { w->run(); });
    scene.thread([w] { w->start(2); });
  });
}

TEST(TimerModel, a_timer_that_is_moved_fires_once_then_or_has_fired_before) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    for (int i = 0; i < 2; ++i) scene.thread([w] { w->run(); });
    scene.thread([w] {
      const bool moved = w->restart(kNow + 1);
      check(w->timer.calls == (moved ? 0 : 1), "moved and fired, or neither");
      check(w->timer.queued == moved, "queued unlike it was said");
    });
  });
}

TEST(TimerModel, two_restarts_while_it_fires_queue_it_once) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    for (int i = 0; i < 2; ++i) scene.thread([w] { w->start(kNow + 1); });
    scene.finally([w] { check(w->timer.queued, "started and not queued"); });
  });
}

TEST(TimerModel, restart_and_stop_while_it_fires_agree) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    scene.thread([w] { w->start(kNow + 1); });
    scene.thread([w] { w->stop(); });
  });
}

// ---- seeded bugs -----------------------------------------------------------------------------------

// timer_modify as it was: it took the timer off first, and queued it after a wait that released the lock.
void start_removing_first(World* w) {
  w->heap.lock.lock();
  w->heap.remove(&w->timer);
  rt::await_firing(&w->heap, &w->timer, [](int) { pause(); });
  w->heap.insert(&w->timer, kNow + 1);
  w->heap.lock.unlock();
}

TEST(TimerMutant, a_start_that_takes_the_timer_off_before_it_waits_is_found) {
  finds("queued twice", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    for (int i = 0; i < 2; ++i) scene.thread([w] { start_removing_first(w); });
  });
}

TEST(TimerMutant, a_stop_that_does_not_wait_is_found) {
  finds("data race", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    scene.thread([w] {
      w->heap.lock.lock();
      w->heap.remove(&w->timer);
      w->heap.lock.unlock();
      w->timer.alive = false;
    });
  });
}

}  // namespace
}  // namespace reprise::model
