// Timers: per-P heaps, starting, stopping, running what is due, and the scheduler's questions
// (runtime/sched/idle.h).
//
// Invariants:
//   A timer is queued in the heap of `home` or nowhere, and `home` never changes once it is set, so
//   that its lock is enough to stop or restart a timer from any P. Heaps live for ever.
//   Who runs due timers, and what starting and stopping wait for: timer_protocol.h.
//
// Many Ps: each runs what is due in its own heap before it looks for a goroutine (timers_run_heap), a
// thief what is due in its victims'. A heap whose P was taken away by gomaxprocs() keeps its timers,
// since `home` must not change; as an orphan it is looked at by every P. A timer that becomes the
// first of its heap tells the scheduler (wake_net_poller): an idle thread may sleep past it. No lost
// wake-up: here the heap's minimum is stored, then the scheduler's state read; a thread that goes to
// sleep writes that state, then reads the minima once more. The fence in tell_scheduler and the
// scheduler's own order the two pairs (Dekker), so one of both sees the other. Only a minimum that
// becomes earlier needs it: who sleeps by one that became later wakes too soon, and looks again.
//
// Which due timer fires is a `timer` decision: candidates are the first kTimerChoices due ones, in
// order, and one that stops the firing for this round. Bounded, so that a burst of n due timers
// costs n decisions and not n squared candidates; among a thousand timers due at once a policy
// still reorders neighbours at will.
//
// A timer is moved to a later time without the lock, and comes to its place when the heap has come to it (timer_protocol.h). A P that waits
// may so wake for a timer that has been moved on, once in the time for which it was set at first.
//
// Rejected: the reference's lazy deletion. It spares a remote heap's lock when a timer is stopped
// elsewhere, and pays with tombstones and with a heap whose minimum is not known; a timer that
// knows its place is removed exactly, in place of the last leaf mostly. The reference needs it
// because there a timer moves between heaps with its P; here it never does. Measured bare, stopping a
// random timer and starting it anew (tools/bench/timer_bench.cc): 27 ns against 44 with 16 timers set, 28
// against 47 with 1,000, but 214 against 71 with 100,000, where each step of a removal misses the
// cache. Timeouts are mostly stopped soon after they were started, while they are still near a leaf.
#include "runtime/time/timer.h"

#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "runtime/race/race.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"
#include "runtime/time/timer_heap.h"
#include "runtime/time/timer_protocol.h"
#include "runtime/time/timer_queue.h"

namespace reprise::rt {

std::atomic<uint32_t> timer_orphans{0};

namespace {

constexpr size_t kTimerChoices = 16;

std::atomic<TimerHeap*> all_heaps{nullptr};

// Stored under the lock, read without it as a hint that is looked at again under the lock: relaxed.
void publish_min(TimerHeap* h) {
  h->timer0_when.store(h->queue.empty() ? INT64_MAX : h->queue.min_when(),
                       std::memory_order_relaxed);
}

constinit Lock heaps_lock{LockRank::timer_heaps};  // making heaps

// A thread without a P (one of the program's own, or in a system call) uses the first P's.
TimerHeap* heap_of(P* pp) {
  if (pp == nullptr) pp = &allp0;
  if (TimerHeap* h = heap_if_any(pp)) return h;
  auto* h = new TimerHeap;
  heaps_lock.lock();
  if (TimerHeap* other = heap_if_any(pp)) {
    heaps_lock.unlock();
    delete h;
    return other;
  }
  h->next = all_heaps.load(std::memory_order_relaxed);
  // Release: whoever finds the heap in the list finds it built.
  while (!all_heaps.compare_exchange_weak(h->next, h, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  std::atomic_ref(pp->timers).store(h, std::memory_order_release);
  heaps_lock.unlock();
  return h;
}

template <class F>
void for_each_heap(F f) {
  TimerHeap* h = all_heaps.load(std::memory_order_acquire);
  for (; h != nullptr; h = h->next) f(h);
}

int64_t earliest() {
  int64_t when = INT64_MAX;
  for_each_heap([&](TimerHeap* h) {
    when = std::min(when, h->timer0_when.load(std::memory_order_relaxed));
  });
  return when;
}

// Of a timer that was moved without the lock; it is an order of starting only among those that fire at one moment. Lock held.
void move_in_queue(TimerHeap* h, Timer* t) {
  t->seq = h->next_seq++;
  h->queue.move(t);
}

Timer* claim_first(TimerHeap* h, int64_t now) {
  Timer* t = timers_claim_first(h->queue, now, [h](Timer* moved) { move_in_queue(h, moved); });
  if (t == nullptr) publish_min(h);  // who was due has been moved
  return t;
}

// The due timer to fire next, claimed; null for none or for "not now". Lock held.
Timer* choose_due(TimerHeap* h, int64_t now) {
  if (h->queue.empty() || h->queue.min_when() > now) return nullptr;
  if (!seam_active) return claim_first(h, now);
  std::vector<Timer*> due;
  h->queue.due(now, kTimerChoices, &due);
  std::vector<seam::Access> accesses;
  std::vector<seam::Candidate> candidates;
  accesses.reserve(due.size());
  for (size_t i = 0; i < due.size(); ++i) {
    const Timer* t = due[i];
    accesses.push_back({t->object, true});
    candidates.push_back({.goroutine = t->maker,
                          .goid = t->maker_goid,
                          .ready_step = i,
                          .op = seam::OpKind::timer_start,
                          .site = 0,
                          .accesses = {&accesses[i], 1}});
  }
  candidates.push_back({.ready_step = due.size(), .op = seam::OpKind::stop});
  const size_t choice = seam_choose(seam::DecisionKind::timer, candidates);
  if (choice == due.size()) return nullptr;
  Timer* t = due[choice];
  if (t->period <= 0) timer_unset(t);
  return t;
}

// Takes t off the queue, or moves it on if it is periodic: to the first multiple of its period
// that is still to come, so that a late ticker skips ticks instead of bunching them.
void leave_queue(TimerHeap* h, Timer* t, int64_t now) {
  if (t->period > 0) {
    int64_t when = t->when.load(std::memory_order_relaxed);
    const int64_t late = (now - when) % t->period;
    if (__builtin_add_overflow(now - late, t->period, &when)) when = kLastInstant;
    t->when.store(when, std::memory_order_relaxed);
    t->seq = h->next_seq++;
    h->queue.move(t);
  } else {
    h->queue.remove(t);
  }
  publish_min(h);
}

// Fires what is due in h. Returns whether anything fired.
bool run_heap(TimerHeap* h, int64_t now) {
  struct {
    Timer::Func f;
    void* arg;
    uint64_t seq;
    seam::ObjectId object;
  } taken;  // of a timer that may be gone when it is called
  return timers_run(
      h, now,
      [&]() -> Timer* {
        Timer* t = choose_due(h, now);
        if (t == nullptr) return nullptr;
        taken = {t->f, t->arg, t->seq, t->object};
        leave_queue(h, t, now);
        return t;
      },
      [&] {
        if (race_hooks != nullptr) race_hooks->timer_fires(taken.object);
        taken.f(taken.arg, taken.seq, now);
        if (race_hooks != nullptr) race_hooks->timer_fired();
      });
}

// Between two looks at a timer that fires elsewhere. The function does not block, but the system may
// have taken its thread's core away: then this one is offered.
void relax(int i) {
  constexpr int kSpins = 100;
  if (i < kSpins) {
    __builtin_ia32_pause();
  } else {
    sys::call(SYS_sched_yield);
  }
}

// Set once, by the first start; two that come first together agree on one.
TimerHeap* home_of(Timer* t) {
  const std::atomic_ref home(t->home);
  TimerHeap* h = home.load(std::memory_order_acquire);
  if (h != nullptr) return h;
  TimerHeap* mine = heap_of(getp());
  return home.compare_exchange_strong(h, mine, std::memory_order_acq_rel) ? mine : h;
}

bool queued(const Timer* t) { return t->place != Timer::kNoPlace; }

// What is queued moves in place. Returns whether an idle thread may sleep past it. Lock held.
bool put_into_queue(TimerHeap* h, Timer* t, int64_t when_ns, int64_t period_ns) {
  timer_set(t, when_ns, period_ns > 0);
  t->period = period_ns;
  t->seq = h->next_seq++;
  if (queued(t)) {
    h->queue.move(t);
  } else {
    h->queue.insert(t);
  }
  const bool earlier = when_ns < h->timer0_when.load(std::memory_order_relaxed);
  publish_min(h);
  return earlier;
}

void tell_scheduler(int64_t when_ns) {
  // Sequentially consistent: the minimum is stored before the scheduler's state is read.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  wake_net_poller(when_ns);
}

TimerHeap* home_if_any(Timer* t) { return std::atomic_ref(t->home).load(std::memory_order_acquire); }

}  // namespace

Timer::Timer(Func fn, void* fn_arg) : f(fn), arg(fn_arg) {
  if (!seam_active) return;
  object = new_object_id();
  if (const G* gp = curg()) {
    maker = gp->name;
    maker_goid = gp->goid;
  }
}

bool timer_start(Timer* t, int64_t when_ns, int64_t period_ns) {
  when_ns = std::clamp(when_ns, kFirstInstant, kLastInstant);
  TimerHeap* h = home_of(t);
  bool earlier = false;
  const bool was_running = timer_modify(
      h, t,
      [&] {
        const bool was_queued = queued(t);
        earlier = put_into_queue(h, t, when_ns, period_ns);
        return was_queued;
      },
      relax);
  if (earlier) tell_scheduler(when_ns);
  return was_running;
}

bool timer_restart_locked(Timer* t, int64_t when_ns, int64_t period_ns) {
  when_ns = std::clamp(when_ns, kFirstInstant, kLastInstant);
  TimerHeap* h = home_if_any(t);
  if (h == nullptr) return false;
  bool earlier = false;
  const bool was_running = timer_modify(
      h, t,
      [&] {
        if (!queued(t)) return false;
        earlier = put_into_queue(h, t, when_ns, period_ns);
        return true;
      },
      relax);
  if (earlier) tell_scheduler(when_ns);
  return was_running;
}

// It may have fired meanwhile, have been stopped, or moved once more.
void timer_settle_moved(Timer* t) {
  TimerHeap* h = home_if_any(t);
  h->lock.lock();
  if (!queued(t) || !timer_settle_if_late(t)) return h->lock.unlock();
  move_in_queue(h, t);
  const int64_t before = h->timer0_when.load(std::memory_order_relaxed);
  publish_min(h);
  const int64_t first = h->timer0_when.load(std::memory_order_relaxed);
  h->lock.unlock();
  if (first < before) tell_scheduler(first);
}

bool timer_stop(Timer* t) {
  TimerHeap* h = home_if_any(t);
  if (h == nullptr) return false;
  return timer_modify(
      h, t,
      [=] {
        if (!queued(t)) return false;
        timer_unset(t);
        h->queue.remove(t);
        publish_min(h);
        return true;
      },
      relax);
}

// ---- sleep -------------------------------------------------------------------------------------

namespace {

struct Sleep {
  Timer timer;
  int64_t when;
};

void wake_sleeper(void* gp, uint64_t, int64_t) { goready(static_cast<G*>(gp)); }

// The commit of the park: started earlier, the timer could fire before its goroutine waits.
bool start_sleep(G*, void* sleep) {
  auto* s = static_cast<Sleep*>(sleep);
  timer_start(&s->timer, s->when, 0);
  return true;
}

}  // namespace

void time_sleep(int64_t duration_ns) {
  if (duration_ns <= 0) return;
  if (on_foreign_thread()) return on_goroutine([=] { time_sleep(duration_ns); });
  Sleep sleep{Timer(wake_sleeper, curg()), when_after(duration_ns)};
  gopark(start_sleep, &sleep, WaitReason::sleep);
}

// ---- the scheduler's questions (idle.h) ----------------------------------------------------------

namespace {

template <class F>
void for_each_orphan(F f) {
  if (timer_orphans.load(std::memory_order_relaxed) == 0) return;
  for_each_heap([&](TimerHeap* h) {
    if (h->orphan.load(std::memory_order_relaxed)) f(h);
  });
}

}  // namespace

// Not for the owner alone to make: a thread without a P gives the first P its heap.
int64_t timers_earliest_of(P* pp) {
  const TimerHeap* heap = heap_if_any(pp);
  int64_t when = INT64_MAX;
  if (heap != nullptr) when = heap->timer0_when.load(std::memory_order_relaxed);
  for_each_orphan([&](const TimerHeap* h) {
    when = std::min(when, h->timer0_when.load(std::memory_order_relaxed));
  });
  return when;
}

bool timers_run_heap(TimerHeap* heap, int64_t now_ns) {
  bool fired = heap != nullptr && run_heap(heap, now_ns);
  for_each_orphan([&](TimerHeap* h) { fired |= run_heap(h, now_ns); });
  return fired;
}

int64_t timers_earliest() { return earliest(); }

// Relaxed: the world is stopped, and what starts it again publishes.
void timers_orphan(P* pp) {
  TimerHeap* h = heap_if_any(pp);
  if (h == nullptr || h->orphan.exchange(true, std::memory_order_relaxed)) return;
  timer_orphans.fetch_add(1, std::memory_order_relaxed);
}

void timers_adopt(P* pp) {
  TimerHeap* h = heap_if_any(pp);
  if (h == nullptr || !h->orphan.exchange(false, std::memory_order_relaxed)) return;
  timer_orphans.fetch_sub(1, std::memory_order_relaxed);
}

// All that timers of other Ms might be in the middle of.
void timers_before_fork() {
  heaps_lock.lock();
  for_each_heap([](TimerHeap* h) { h->lock.lock(); });
}

namespace {

// A function that another M was running has no end in the child; its heap goes on. Nor will who had moved a timer settle it.
void go_on_in_child(TimerHeap* h) {
  h->running = false;
  h->firing = nullptr;
  std::vector<Timer*> late;
  h->queue.for_each([&](Timer* t) {
    if (timer_settle_if_late(t)) late.push_back(t);
  });
  for (Timer* t : late) move_in_queue(h, t);
  publish_min(h);
}

}  // namespace

void timers_after_fork(bool in_child) {
  for_each_heap([in_child](TimerHeap* h) {
    if (in_child) go_on_in_child(h);
    h->lock.unlock();
  });
  heaps_lock.unlock();
}

// Sleepers that another M was putting to bed, or waking, as the kernel copied them have no timer that will wake them.
void timers_forget_lost_sleepers() {
  const auto asleep = [](const G* gp) {
    return gp->status.load(std::memory_order_relaxed) == GStatus::waiting && gp->wait_reason == WaitReason::sleep;
  };
  std::vector<G*> kept;
  for_each_heap([&](TimerHeap* h) {
    h->queue.for_each([&](const Timer* t) {
      if (t->f == wake_sleeper) kept.push_back(static_cast<G*>(t->arg));
    });
  });
  G* gp = sched.allgs.load(std::memory_order_relaxed);
  for (; gp != nullptr; gp = gp->alllink.load(std::memory_order_relaxed)) {
    if (asleep(gp)) gp->status.store(GStatus::dead, std::memory_order_relaxed);
  }
  for (G* sleeper : kept) sleeper->status.store(GStatus::waiting, std::memory_order_relaxed);
}

bool timers_pending() { return earliest() != INT64_MAX; }

bool timers_run_due() {
  const int64_t first = earliest();
  if (first == INT64_MAX) return false;
  const int64_t now = clock_sample();
  if (first > now) return false;
  bool fired = false;
  for_each_heap([&](TimerHeap* h) { fired |= run_heap(h, now); });
  return fired;
}

// Called when nothing can run: the moment for which the virtual clock waits.
int64_t timers_wait_ns() {
  const int64_t first = earliest();
  if (first == INT64_MAX) return -1;
  if (clock_is_virtual()) {
    clock_advance_to(first);
    return 0;
  }
  return std::max<int64_t>(first - nanotime_round(), 0);
}

}  // namespace reprise::rt
