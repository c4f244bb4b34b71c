// Native mode's schedule() and findrunnable(): the next goroutine of this M, or sleep.
//
// Order: timers due here; every 61st slice the global queue, the other heaps and the poller, so that
// a ring that is never empty starves none of them; runnext and the ring; the global queue; the
// poller without waiting, if it may take long until somebody blocks in it; other Ps. Then the P is given up, all queues are looked
// at once more (wakeup.h), and the M blocks in the poller, if there is something to wait for and nobody does, or
// sleeps in stopm().
//
// Timers while idle: the M in the poller wakes for the earliest deadline of all heaps. Whoever sets
// an earlier one breaks its wait, or wakes an M if nobody waits (wake_net_poller). No timer is
// overslept: its setter either is seen by our look at the heaps, which follows the fence of the
// protocol, or sees our idle P and wakes somebody; that M finds either no poller, and waits itself,
// or one with a later deadline (or none published yet), and breaks it.
//
// The virtual clock (tests) moves when the last P is idle and nobody spins: whoever finds that so,
// under the lock, moves it and takes a P to run what became due.
#include <algorithm>
#include <utility>

#include "runtime/boot/boot.h"
#include "runtime/gc/gc.h"
#include "runtime/poll/netpoll.h"
#include "runtime/sched/here.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/next.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer_heap.h"

namespace reprise::rt {

namespace {

G* take_global(P* pp, uint32_t max) {
  if (sched.global_size.load(std::memory_order_relaxed) == 0) return nullptr;
  sched.lock.lock();
  G* gp = globrunqget(sched, pp, max);
  sched.lock.unlock();
  return gp;
}

// Takes the poller's ready goroutines without waiting: the first to run here, the rest readied.
G* poll_now() {
  if (!netpollinited() || !netpoll_waiting_natively() || sched.lastpoll.load(std::memory_order_relaxed) == 0) {
    return nullptr;
  }
  GQueue ready;
  ready.head = netpoll_collect(0);
  if (ready.empty()) return nullptr;
  injectglist(&ready);
  return runqget(p_here()).gp;
}

// What comes after poll_now() is the wait in the poller, which ends at once if something is ready: a look before it would be a
// system call for nothing. So it is if every other P is idle. Relaxed: a hint. If a P has begun to run since, we find its work
// when we give ours up (wakeup.h), and the poller is looked at in the next round. The collector's idle worker and
// the virtual clock come before that wait, and must not come before what is ready.
bool about_to_block() {
  const int32_t others = sched.nprocs.load(std::memory_order_relaxed) - 1;
  return sched.wakeup.npidle.load(std::memory_order_relaxed) == others && !gc_may_need_worker() && !clock_is_virtual();
}

// The poller's ready goroutines to the queue, if nobody waits for them.
void queue_what_is_ready() {
  if (!netpollinited() || !netpoll_waiting_natively() || sched.lastpoll.load(std::memory_order_relaxed) == 0) return;
  GQueue ready;
  ready.head = netpoll_collect(0);
  injectglist(&ready);
}

// So that nothing starves behind a busy ring.
[[gnu::noinline]] G* take_turns(P* pp) {
  pp->fair_tick = pp->schedtick.load(std::memory_order_relaxed);
  if (timers_pending()) timers_run_due();
  queue_what_is_ready();
  return take_global(pp, 1);
}

// What is due and queued here.
Found look_here(P* pp) {
  if (!no_timer_of(pp)) check_timers(pp);
  if (gc_may_need_worker()) [[unlikely]] {
    if (G* gp = gc_find_worker(pp)) return {gp, false};
  }
  if (turn_is_due(pp)) [[unlikely]] {
    if (G* gp = take_turns(pp)) return {gp, false};
  }
  const auto got = runqget(pp);
  return {got.gp, got.inherit_time};
}

// At most half as many Ms spin as are busy: more would burn CPU where there is little to find.
G* look_elsewhere(M* mp, P* pp, bool* again) {
  *again = false;
  const int32_t procs = sched.nprocs.load(std::memory_order_relaxed);
  const int32_t busy = procs - sched.wakeup.npidle.load(std::memory_order_relaxed);
  if (procs == 1) return nullptr;
  if (!mp->spinning && 2 * sched.wakeup.nmspinning.load(std::memory_order_relaxed) >= busy) {
    return nullptr;
  }
  if (!mp->spinning) become_spinning(mp);
  return steal_work(pp, again);
}

// Moves the virtual clock if nothing can run. Returns a P to go on with, or null.
P* advance_virtual_clock() {
  sched.lock.lock();
  P* pp = nullptr;
  const bool quiet = sched.wakeup.npidle.load(std::memory_order_relaxed) ==
                         sched.nprocs.load(std::memory_order_relaxed) &&
                     sched.wakeup.nmspinning.load(std::memory_order_relaxed) == 0;
  const int64_t first = timers_earliest();
  if (quiet && first != INT64_MAX) {
    clock_advance_to(first);
    pp = pidleget();
  }
  sched.lock.unlock();
  return pp;
}

// Blocks in the poller until something is ready or `until`. Returns with a P, perhaps with goroutines
// of the poller's in its ring, or without one: then the M may sleep.
bool block_in_poller(M* mp, int64_t until, bool was_spinning) {
  int64_t wait_ns = -1;
  if (until != INT64_MAX) wait_ns = std::max<int64_t>(until - monotonic_ns(), 0);
  sched.pollUntil.store(until == INT64_MAX ? 0 : until);
  netpollinit();
  GQueue ready;
  ready.head = netpoll_collect(wait_ns);
  sched.pollUntil.store(0);
  sched.lastpoll.store(monotonic_ns());
  sched.lock.lock();
  P* pp = pidleget();
  wake_sysmon();
  sched.lock.unlock();
  if (pp == nullptr) {
    injectglist(&ready);
    return false;
  }
  acquirep(pp);
  if (!ready.empty()) {
    injectglist(&ready);
  } else if (was_spinning) {
    become_spinning(mp);
  }
  return true;
}

// Waits without a P until there may be work again; returns holding a P.
void wait_idle(M* mp, bool was_spinning) {
  int64_t until = INT64_MAX;
  if (clock_is_virtual()) {
    if (P* pp = advance_virtual_clock()) return acquirep(pp);
  } else {
    until = timers_earliest();
  }
  if (netpoll_waiting_natively() || until != INT64_MAX) {
    // One M blocks in the poller. The exchange is before the look at seam_active, as the test that
    // installs a policy has it the other way round.
    if (sched.lastpoll.exchange(0) != 0) {
      if (!seam_active) {
        if (block_in_poller(mp, until, was_spinning)) return;
      } else {
        sched.lastpoll.store(monotonic_ns());
      }
    } else if (until != INT64_MAX) {
      const int64_t poll_until = sched.pollUntil.load();
      if (poll_until == 0 || poll_until > until) netpoll_break();
    }
  }
  stopm();
}

// Nothing here, nothing there: marks for the collector, or gives the P up and sleeps. A goroutine if one turns up at the
// last look.
G* go_idle(M* mp, P* pp) {
  if (gc_may_need_worker()) [[unlikely]] {
    if (G* gp = gc_find_idle_worker(pp)) return gp;
  }
  sched.lock.lock();
  if (sched.gcwaiting.load(std::memory_order_relaxed)) {
    sched.lock.unlock();
    return nullptr;
  }
  if (!sched.global.empty()) {
    G* gp = globrunqget(sched, pp, 0);
    sched.lock.unlock();
    return gp;
  }
  const bool was_spinning = mp->spinning;
  releasep();
  if (P* again = give_up_p(pp, mp)) {
    acquirep(again);
  } else {
    wait_idle(mp, was_spinning);
  }
  return nullptr;
}

}  // namespace

bool others_wait(P* pp) {
  if (sched.gcwaiting.load(std::memory_order_relaxed)) return true;
  check_timers(pp);
  queue_what_is_ready();
  if (gc_may_need_worker() && gc_wants_worker(pp)) return true;
  return !runqempty(pp) || sched.global_size.load(std::memory_order_relaxed) != 0;
}

Found findrunnable() {
  M* mp = m_of_runtime();
  for (bool looked = true;; looked = false) {
    P* pp = mp->p;
    if (mp->next_g != nullptr) return {};
    if (sched.gcwaiting.load(std::memory_order_relaxed)) {
      gcstopm();
      continue;
    }
    if (!looked) {
      if (const Found found = look_here(pp); found.gp != nullptr) return found;
    }
    if (G* gp = take_global(pp, 0)) return {gp, false};
    if (G* gp = about_to_block() ? nullptr : poll_now()) return {gp, false};
    bool again;
    if (G* gp = look_elsewhere(mp, pp, &again)) return {gp, false};
    if (again) continue;
    if (G* gp = go_idle(mp, pp)) return {gp, false};
  }
}

G* schedule_native(Found found) {
  M* mp = m_of_runtime();
  if (sched.dying.load(std::memory_order_relaxed)) freeze();
  if (mp->exiting) mexit();
  if (mp->locked_g != nullptr) {
    if (found.gp != nullptr) throw_("schedule_native: found for an M that is locked");
    stoplockedm();
    G* const gp = mp->locked_g;
    let_go_of_m(mp);
    return execute(gp);
  }
  for (;;) {
    // A test installed a policy, and its goroutine comes home.
    if (mp->next_g != nullptr) return execute(std::exchange(mp->next_g, nullptr));
    if (found.gp == nullptr && !sched.gcwaiting.load(std::memory_order_relaxed)) found = look_here(mp->p);
    if (found.gp == nullptr) found = findrunnable();
    if (found.gp == nullptr) continue;
    if (mp->spinning) reset_spinning(mp);
    if (found.gp->locked_m == nullptr) return execute(found.gp, found.inherit_time);
    startlockedm(std::exchange(found.gp, nullptr));
  }
}

void wake_net_poller(int64_t when_ns) {
  if (seam_active) {
    // One thread holds the P and looks at timers in every round that finds nothing.
    if (getp() == nullptr) netpoll_break();
    return;
  }
  if (sched.lastpoll.load(std::memory_order_relaxed) != 0) return wakep();
  const int64_t poll_until = sched.pollUntil.load(std::memory_order_relaxed);
  if (poll_until == 0 || poll_until > when_ns) netpoll_break();
}

}  // namespace reprise::rt
