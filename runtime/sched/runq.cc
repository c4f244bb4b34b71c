// Run queues over the one scheduler: what a thread without a P does, and where the next goroutine
// of a P comes from while there is no stealing.
//
// The ring is first in, first out; its overflow goes to the global queue, which is looked at first
// every 61st time, so that a ring that is never empty does not starve it.
#include "runtime/sched/runq.h"

#include <time.h>

#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

constexpr uint32_t kGlobalEvery = 61;
constexpr long kGraceNs = 3000;

G* take_global(P* pp, uint32_t max) {
  if (sched.global_size.load(std::memory_order_relaxed) == 0) return nullptr;
  sched.lock.lock();
  G* gp = globrunqget(sched, pp, max);
  sched.lock.unlock();
  return gp;
}

}  // namespace

// A goroutine that was just readied runs on its P within a microsecond or so if the readier parks.
// Sleeping that long (the kernel rounds it up to some 50 us) is cheaper than a thread that burns the
// memory bus with attempts, and than moving the goroutine's cache lines.
void Sched::runnext_grace(const P*) {
  const timespec grace{0, kGraceNs};
  nanosleep(&grace, nullptr);
}

void runqput(P* pp, G* gp) {
  if (pp != nullptr) return runqput(sched, pp, gp, false);
  sched.lock.lock();
  globrunqput(sched, gp);
  sched.lock.unlock();
}

G* runq_take(P* pp) {
  if (pp->schedtick % kGlobalEvery == 0) {
    if (G* gp = take_global(pp, 1)) return gp;
  }
  if (G* gp = runqget(pp).gp) return gp;
  return take_global(pp, 0);
}

bool runq_any(const P* pp) {
  return !runqempty(pp) || sched.global_size.load(std::memory_order_relaxed) != 0;
}

}  // namespace reprise::rt
