// Stealing: what an M without work looks for at the other Ps, and when timers are looked at.
//
// Victims are visited in random order, each once a round (StealOrder). Four rounds, because a victim's ring may be empty just while its
// owner moves goroutines about; only the last takes a runnext, which its owner will most likely run
// in a moment, and fires other Ps' timers.
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/steal_order.h"
#include "runtime/time/clock.h"

namespace reprise::rt {

namespace {

constexpr int kRounds = 4;
constexpr uint64_t kTimersEveryTsc = 20'000;  // some 7 us

// Calls f(victim) for each other P in random order until it returns a goroutine.
template <class F>
G* each_victim(const P* self, F f) {
  const auto n = static_cast<uint32_t>(sched.nprocs.load(std::memory_order_acquire));
  StealOrder order(cheaprand(), n);
  for (uint32_t i = 0; i < n; ++i) {
    P* victim = allp[order.next()].load(std::memory_order_acquire);
    if (victim == self || victim->status.load(std::memory_order_relaxed) == PStatus::idle) continue;
    if (G* gp = f(victim)) return gp;
  }
  return nullptr;
}

}  // namespace

G* steal_work(P* pp, bool* ran_timer) {
  *ran_timer = false;
  for (int round = 1; round <= kRounds; ++round) {
    const bool last = round == kRounds;
    if (last && timers_pending() && timers_run_due()) {
      *ran_timer = true;  // what it readied is in our own ring, if nobody stole it again
      return runqget(pp).gp;
    }
    G* gp = each_victim(pp, [&](P* victim) {
      return runqsteal(sched, pp, victim, last);
    });
    if (gp != nullptr || sched.gcwaiting.load(std::memory_order_relaxed)) return gp;
  }
  return nullptr;
}

bool any_runq_work() {
  if (sched.global_size.load(std::memory_order_relaxed) != 0) return true;
  const int32_t n = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < n; ++i) {
    if (!runqempty(allp[i].load(std::memory_order_acquire))) return true;
  }
  return false;
}

// A clock is read only if a timer is set here and some microseconds have gone by; the time stamp
// counter says so for the price of a few loads. It is a hint: idle Ms look at every deadline.
void check_timers(P* pp) {
  const int64_t when = timers_earliest_of(pp);
  if (when == INT64_MAX) return;
  const uint64_t tsc = __builtin_ia32_rdtsc();
  if (tsc - pp->timers_seen_tsc < kTimersEveryTsc) return;
  pp->timers_seen_tsc = tsc;
  const int64_t now = nanotime();
  if (when <= now) timers_run_heap(pp->timers, now);
}

}  // namespace reprise::rt
