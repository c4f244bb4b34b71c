// runtime/time/timer_protocol.h itself, explored: Ps that run a heap's due timers against goroutines
// that start, restart and stop them.
//
// A timer that is set is moved as timer_restart of timer.h does natively: without the lock, unless the heap has it at a later time.
//
// The explorer found a bug here: a_start_that_takes_the_timer_off_before_it_waits below is how it was.
//
// Claims in every behaviour: a timer that was started once fires once or was stopped; the calls of its
// function do not overlap; after a stop the function neither runs nor will, so that the timer can be
// freed; the queue holds a timer at most once; one that was moved has not fired and will not for the earlier moment; the hint is
// never after a moment at which something shall fire, once all who moved something have returned.
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
  Plain<int64_t> period = 0;   // the same
  Atomic<int64_t> due{rt::kTimerNotSet};
  Atomic<int64_t> when{0};
  Plain<int> calls = 0;        // by the function: overlapping calls, and calls after a stop, race here
  Plain<bool> alive = true;    // written by who frees it
};

// In no order: the least is looked for.
struct Queue {
  std::vector<ModelTimer*> timers;
  bool empty() const { return timers.empty(); }
  ModelTimer* min() const {
    return *std::min_element(timers.begin(), timers.end(), [](auto* a, auto* b) { return place_of(a) < place_of(b); });
  }
  int64_t min_when() const { return place_of(min()); }
  // A real queue has its own copy, written when the timer is put there.
  static int64_t place_of(const ModelTimer* t) { return t->when.load(Order::relaxed); }
};

struct Heap {
  Lock lock;
  Plain<bool> running = false;               // lock
  Plain<const ModelTimer*> firing = nullptr; // lock
  Atomic<int64_t> timer0_when{INT64_MAX};
  Queue queue;                               // lock

  Heap() { timer0_when.named("timer0_when"); }

  void publish_min() { timer0_when.store(queue.empty() ? INT64_MAX : queue.min_when(), Order::relaxed); }
  bool remove(ModelTimer* t) {
    if (!t->queued) return false;
    queue.timers.erase(std::find(queue.timers.begin(), queue.timers.end(), t));
    t->queued = false;
    return true;
  }
  void insert(ModelTimer* t, int64_t when) {
    check(!t->queued, "a timer was queued twice");
    rt::timer_set(t, when, false);
    t->queued = true;
    queue.timers.push_back(t);
    publish_min();
  }
};

struct World {
  Heap heap;
  ModelTimer timer;
  World() {
    timer.calls.named("the timer's calls");
    timer.alive.named("the timer, freed");
    timer.due.named("due");
    timer.when.named("when");
  }

  bool run(int64_t now = kNow) {
    ModelTimer* taken = nullptr;
    return rt::timers_run(
        &heap, now,
        [&]() -> ModelTimer* {
          taken = rt::timers_claim_first(heap.queue, now, [](ModelTimer*) {});
          if (taken != nullptr) heap.remove(taken);
          heap.publish_min();
          return taken;
        },
        [&] {
          check(taken->alive, "a freed timer fired");
          taken->calls = taken->calls + 1;
        });
  }
  bool start(int64_t when) {
    return modify([this, when] {
      const bool was_queued = heap.remove(&timer);
      heap.insert(&timer, when);
      return was_queued;
    });
  }
  bool restart(int64_t when) {
    const rt::Moved moved = rt::timer_move(&timer, when);
    if (moved == rt::Moved::no) return restart_locked(when);
    if (moved == rt::Moved::unsettled) settle_moved();
    return true;
  }
  bool restart_locked(int64_t when) {
    return modify([this, when] {
      if (!heap.remove(&timer)) return false;
      heap.insert(&timer, when);
      return true;
    });
  }
  void settle_moved() {
    heap.lock.lock();
    if (timer.queued && rt::timer_settle_if_late(&timer)) heap.publish_min();
    heap.lock.unlock();
  }
  bool stop() {
    return modify([this] {
      if (!timer.queued) return false;
      rt::timer_unset(&timer);
      heap.remove(&timer);
      heap.publish_min();
      return true;
    });
  }
  // Nobody oversleeps it: at the end.
  void check_hint(int64_t when) { check(heap.timer0_when.load(Order::relaxed) <= when, "a timer will fire too late"); }

 private:
  template <class Change>
  bool modify(Change change) {
    return rt::timer_modify(&heap, &timer, change, [](int) { pause(); });
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

// ---- moved without the lock --------------------------------------------------------------------------

TEST(TimerModel, a_moved_timer_fires_at_its_last_moment) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    scene.thread([w] {
      const bool moved = w->restart(kNow);
      w->run();
      check(!moved || w->restart(kNow + 1) == false || w->timer.calls == 0, "moved after it had fired");
    });
    scene.finally([w] { w->check_hint(w->timer.queued ? kNow + 1 : INT64_MAX); });
  });
}

// The heap follows a timer to a later time while it is moved back to an earlier one.
TEST(TimerModel, a_timer_that_is_moved_back_while_the_heap_follows_is_not_overslept) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 9);
    scene.thread([w] { w->run(); });
    scene.thread([w] { check(w->restart(kNow + 2), "it was queued"); });
    scene.finally([w] {
      w->check_hint(kNow + 2);
      w->run(kNow + 2);
      check(w->timer.calls == 1, "it did not fire when it should");
    });
  });
}

TEST(TimerModel, two_movers_and_a_heap_that_follows_agree) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 9);
    scene.thread([w] { w->run(); });
    scene.thread([w] { w->restart(kNow + 3); });
    scene.thread([w] { w->restart(kNow + 2); });
    scene.finally([w] {
      const int64_t due = w->timer.due.load(Order::relaxed);
      check(due == kNow + 2 || due == kNow + 3, "the last one decides");
      w->check_hint(due);
      w->run(due);
      check(w->timer.calls == 1, "it did not fire when it should");
    });
  });
}

// A mover by swap against one that needs the lock, since it comes before what the heap has.
TEST(TimerModel, a_move_to_an_earlier_time_and_one_to_a_later_agree) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, kNow + 5);
    scene.thread([w] { check(w->restart(kNow + 1), "it was queued"); });
    scene.thread([w] { check(w->restart(kNow + 7), "it was queued"); });
    scene.finally([w] {
      const int64_t due = w->timer.due.load(Order::relaxed);
      w->check_hint(due);
      w->run(due);
      check(w->timer.calls == 1, "it did not fire when it should");
    });
  });
}

TEST(TimerModel, a_mover_and_a_stop_agree) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] { w->run(); });
    scene.thread([w] { w->restart(kNow + 1); });
    scene.thread([w] {
      w->stop();
      const int calls = w->timer.calls;
      w->timer.calls = calls;  // a call that is still to come races with this
    });
    scene.finally([w] {
      w->run(kNow + 1);
      check(w->timer.calls <= 1 && !w->timer.queued, "stopped and fired");
    });
  });
}

// Started anew to the very moment that a mover saw: its swap does not notice, and the heap has it later than the mover wants.
TEST(TimerModel, a_mover_that_slept_through_a_firing_and_a_start_is_not_overslept) {
  verify([](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 2);
    scene.thread([w] {
      w->run(kNow + 2);
      w->start(kNow + 2);
    });
    scene.thread([w] {
      if (w->restart(kNow + 1)) return;
      check(w->timer.calls == 1, "neither moved nor fired");
    });
    scene.finally([w] {
      const int64_t due = w->timer.due.load(Order::relaxed);
      check(w->timer.queued, "started and not queued");
      w->check_hint(due);
    });
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

// timer_settle that looks at `due` once.
int64_t settle_once(ModelTimer* t) {
  const int64_t due = t->due.load(Order::seq_cst);
  t->when.store(due, Order::seq_cst);
  return due;
}

TEST(TimerMutant, a_heap_that_follows_without_a_second_look_is_found) {
  finds("too late", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 9);
    scene.thread([w] {
      w->heap.lock.lock();
      if (w->timer.queued && !rt::timer_claim(&w->timer)) settle_once(&w->timer);
      w->heap.publish_min();
      w->heap.lock.unlock();
    });
    scene.thread([w] { w->restart(kNow + 2); });
    scene.finally([w] { w->check_hint(kNow + 2); });
  });
}

TEST(TimerMutant, a_mover_without_a_second_look_is_found) {
  finds("too late", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 9);
    scene.thread([w] { w->run(); });
    scene.thread([w] { rt::timer_move(&w->timer, kNow + 2); });
    scene.finally([w] { w->check_hint(kNow + 2); });
  });
}

TEST(TimerMutant, a_second_look_that_is_not_sequentially_consistent_is_found) {
  finds("too late", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    w->restart(kNow + 9);
    scene.thread([w] {
      w->heap.lock.lock();
      const int64_t due = w->timer.due.load(Order::acquire);
      w->timer.when.store(due, Order::release);
      const int64_t again = w->timer.due.load(Order::acquire);
      if (again < due) w->timer.when.store(again, Order::release);
      w->heap.publish_min();
      w->heap.lock.unlock();
    });
    scene.thread([w] { w->restart(kNow + 2); });
    scene.finally([w] { w->check_hint(kNow + 2); });
  });
}

// The function of a timer that was moved runs for the earlier moment.
TEST(TimerMutant, a_claim_that_does_not_look_whether_it_was_moved_is_found) {
  finds("moved and fired", [](Scene& scene) {
    auto* w = scene.make<World>();
    w->heap.insert(&w->timer, 1);
    scene.thread([w] {
      w->heap.lock.lock();
      if (w->timer.queued) {
        rt::timer_unset(&w->timer);
        w->heap.remove(&w->timer);
        w->timer.calls = w->timer.calls + 1;
      }
      w->heap.lock.unlock();
    });
    scene.thread([w] {
      const bool moved = w->restart(kNow + 1);
      w->heap.lock.lock();
      check(!moved || w->timer.calls == 0, "moved and fired");
      w->heap.lock.unlock();
    });
  });
}

}  // namespace
}  // namespace reprise::model
