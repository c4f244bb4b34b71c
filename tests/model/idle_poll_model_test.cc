// Deadlines and idle Ms, explored: one M sleeps in the poller until the earliest deadline, and whoever
// sets an earlier one must get somebody to look again. The wake-up protocol is runtime/sched/wakeup.h
// itself; the rest is written after findrunnable.cc (wait_idle, block_in_poller, wake_net_poller) and
// timer.cc (timer_start, publish_min), since it is woven into both.
//
// The claim, in every final state: if a P is idle, an M sleeps in the poller that wakes no later than
// the earliest deadline.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/model/verify.h"
#include "tests/model/wakeup_types.h"

namespace reprise::model {
namespace {

enum class Flaw {
  none,
  setter_without_fence,     // timer_start's, and wakep's behind it
  deadline_read_too_soon,   // the sleeper looks at the heaps before it gives its P up
  poller_not_broken,        // an M that finds the poller asleep with a later deadline leaves it
};

struct PollingMachine : Machine {
  const Flaw flaw;
  Lock heap_lock;
  std::vector<int64_t> deadlines;               // heap_lock
  Atomic<int64_t> timer0_when{INT64_MAX};       // the heap's minimum
  Atomic<int64_t> lastpoll{1};                  // 0: an M is in the poller
  Atomic<int64_t> pollUntil{0};
  // The kernel's side: an event descriptor, and who waits for it.
  Lock kernel;
  bool broken = false;                          // kernel
  bool waiting = false;                         // kernel
  int64_t waits_until = 0;                      // kernel
  Event poller;

  PollingMachine(int procs, Flaw with) : Machine(procs), flaw(with) {
    timer0_when.named("timer0_when");
    lastpoll.named("lastpoll");
    pollUntil.named("pollUntil");
  }

  bool unwatched() override {
    return lastpoll.load(Order::relaxed) != 0 && timer0_when.load(Order::relaxed) != INT64_MAX;
  }
  void publish_min() {
    const auto first = std::min_element(deadlines.begin(), deadlines.end());
    timer0_when.store(first == deadlines.end() ? INT64_MAX : *first, Order::relaxed);
  }

  void start_timer(int64_t when) {
    heap_lock.lock();
    deadlines.push_back(when);
    const bool first = when == *std::min_element(deadlines.begin(), deadlines.end());
    publish_min();
    heap_lock.unlock();
    if (!first) return;
    if (flaw != Flaw::setter_without_fence) model::fence(Order::seq_cst);
    wake_net_poller(when);
  }
  void wake_net_poller(int64_t when) {
    if (lastpoll.load(Order::relaxed) != 0) return wake();
    const int64_t until = pollUntil.load(Order::relaxed);
    if (until == 0 || until > when) netpoll_break();
  }
  void netpoll_break() {
    kernel.lock();
    const bool wakes = waiting;
    if (!wakes) broken = true;
    waiting = false;
    kernel.unlock();
    if (wakes) poller.set();
  }
  void wait_in_kernel(int64_t until) {
    kernel.lock();
    if (broken) {
      broken = false;
      return kernel.unlock();
    }
    waiting = true;
    waits_until = until;
    kernel.unlock();
    poller.wait();
  }

  void wait_idle(WakeM* mp, bool was_spinning, int64_t until) {
    if (until != INT64_MAX) {
      if (lastpoll.exchange(0) != 0) {
        if (block_in_poller(mp, until, was_spinning)) return;
      } else if (flaw != Flaw::poller_not_broken) {
        const int64_t poll_until = pollUntil.load();
        if (poll_until == 0 || poll_until > until) netpoll_break();
      }
    }
    sleep(mp);
  }
  bool block_in_poller(WakeM* mp, int64_t until, bool was_spinning) {
    pollUntil.store(until);
    wait_in_kernel(until);
    return leave_poller(mp, was_spinning);
  }
  bool leave_poller(WakeM* mp, bool was_spinning) {
    pollUntil.store(0);
    lastpoll.store(1);
    lock();
    mp->p = pidleget();
    unlock();
    if (mp->p == nullptr) return false;
    if (was_spinning) rt::wakeup_become_spinning(wakeup, &mp->spinning);
    return true;
  }

  // schedule() with timers; now: what the clock says by then.
  void run_due(int64_t now) {
    heap_lock.lock();
    std::erase_if(deadlines, [now](int64_t when) { return when <= now; });
    publish_min();
    heap_lock.unlock();
  }
  void schedule_with_timers(WakeM* mp) {
    for (;;) {
      while (ModelG* gp = look(mp->p)) {
        if (!run(mp, gp)) return;
      }
      const bool was_spinning = mp->spinning;
      const int64_t early = timer0_when.load(Order::relaxed);
      go_idle(mp);
      if (mp->p != nullptr) continue;
      const bool too_soon = flaw == Flaw::deadline_read_too_soon;
      wait_idle(mp, was_spinning, too_soon ? early : timer0_when.load(Order::relaxed));
    }
  }

  void no_deadline_overslept() {
    if (wakeup.npidle.load(Order::relaxed) == 0 || deadlines.empty()) return;
    const int64_t first = *std::min_element(deadlines.begin(), deadlines.end());
    check(waiting && waits_until <= first, "a deadline is overslept: a P is idle and nobody wakes for it");
  }
};

void expect_no_deadline_overslept(Scene& scene, PollingMachine* w) {
  without = Without::nothing;
  for (bool& inside : submitting) inside = false;
  scene.finally([w] { w->no_deadline_overslept(); });
  scene.at_rest([w](unsigned) { w->no_deadline_overslept(); });
}

// A goroutine on a busy P starts a timer while the only other M goes to sleep, until `known` if there is
// a deadline already.
Program starts_a_timer(int64_t known, bool spinning, Flaw flaw, int spare = 1) {
  return [=](Scene& scene) {
    auto* w = scene.make<PollingMachine>(2, flaw);
    if (known != 0) w->deadlines.push_back(known);
    w->publish_min();
    w->starts_with(0, &w->p[0], false);
    w->starts_with(1, &w->p[1], spinning);
    for (int i = 0; i < spare; ++i) w->starts_asleep(2 + i);
    scene.thread([w] { w->start_timer(50); });  // and computes
    scene.thread([w] { w->schedule_with_timers(&w->m[1]); });
    for (int i = 0; i < spare; ++i) {
      scene.thread([w, i] {
        w->wait(&w->m[2 + i]);
        w->schedule_with_timers(&w->m[2 + i]);
      });
    }
    expect_no_deadline_overslept(scene, w);
  };
}

// The M in the poller is woken by an earlier deadline, runs it, and sleeps until the next, 100, while the
// timer of 50 is started.
Program between_two_sleeps(Flaw flaw) {
  return [=](Scene& scene) {
    auto* w = scene.make<PollingMachine>(2, flaw);
    w->deadlines = {5, 100};
    w->publish_min();
    w->starts_with(0, &w->p[0], false);
    w->starts_idle(&w->p[1]);
    w->starts_asleep(2);
    w->lastpoll.store(0);
    w->pollUntil.store(5);
    scene.thread([w] { w->start_timer(50); });
    scene.thread([w] {
      w->run_due(5);  // which the time has reached
      if (!w->leave_poller(&w->m[1], false)) w->sleep(&w->m[1]);
      w->schedule_with_timers(&w->m[1]);
    });
    scene.thread([w] {
      w->wait(&w->m[2]);
      w->schedule_with_timers(&w->m[2]);
    });
    expect_no_deadline_overslept(scene, w);
  };
}

TEST(IdlePollModel, the_first_timer_is_not_overslept) {
  verify(starts_a_timer(0, false, Flaw::none));
  verify(starts_a_timer(0, true, Flaw::none));
}

TEST(IdlePollModel, an_earlier_timer_is_not_overslept) {
  verify(starts_a_timer(100, false, Flaw::none));
  verify(starts_a_timer(100, true, Flaw::none));
}

TEST(IdlePollModel, a_timer_started_between_two_sleeps_is_not_overslept) {
  verify(between_two_sleeps(Flaw::none));
}

TEST(IdlePollMutant, a_setter_without_its_fences_is_found) {
  finds("overslept", [](Scene& scene) {
    starts_a_timer(100, false, Flaw::setter_without_fence)(scene);
    without = Without::fence_of_submitter;
  });
}

TEST(IdlePollMutant, a_sleeper_that_looks_at_deadlines_too_soon_is_found) {
  finds("overslept", starts_a_timer(100, false, Flaw::deadline_read_too_soon, 0));
}

TEST(IdlePollMutant, a_poller_left_asleep_too_long_is_found) {
  finds("overslept", starts_a_timer(100, false, Flaw::poller_not_broken));
}

}  // namespace
}  // namespace reprise::model
