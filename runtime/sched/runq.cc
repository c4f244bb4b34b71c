// Run queues over the one scheduler: what the templates of runq.h ask for.
#include "runtime/sched/runq.h"

#include <time.h>

#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {
constexpr long kGraceNs = 3000;
}  // namespace

// A goroutine that was just readied runs on its P within a microsecond or so if the readier parks.
// Sleeping that long (the kernel rounds it up to some 50 us) is cheaper than a thread that burns the
// memory bus with attempts, and than moving the goroutine's cache lines.
void Sched::runnext_grace(const P*) {
  const timespec grace{0, kGraceNs};
  nanosleep(&grace, nullptr);
}

void globrunqput(G* gp) {
  sched.lock.lock();
  globrunqput(sched, gp);
  sched.lock.unlock();
}

}  // namespace reprise::rt
