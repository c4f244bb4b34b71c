// Goroutines that can never run again, found while others go on: partial deadlock.
//
// A goroutine that waits for channels or for our own locks (Mutex, RWMutex, Cond, WaitGroup, Semaphore) can only be woken by
// somebody who reaches what it waits for. What can be reached from whoever may still run is found as a collector finds it
// (reach.h); a goroutine none of whose awaited objects was reached is reached no more, nor is what only it leads to. After
//   Saioc, Lee, Møller, "Dynamic Partial Deadlock Detection and Recovery via Garbage Collection", ASPLOS 2025
// but for C++, where pointers are known by their looks alone: so all errors are on the side of life. HACKING.md has what counts as
// a root, and what is not seen.
//
// Only in controlled runs that end when somebody is stuck (ends_when_stuck()), and under the stage, which knows the heap. Looks are few
// and far between: after 1,024 steps of a run, 8,192 of an explored schedule, then whenever as many have gone by again as before, and likewise for
// moments at which nobody could run. So their number is the logarithm of a run's length, and short runs pay nothing.
//
// Thread safety: g0, with the P.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

// A schedule of an exploration begins: steps count from 0.
void stuck_begin_schedule();

// Ends the run if goroutines are stuck. Other goroutines are ready, or might be.
void stuck_look();
extern uint64_t stuck_next_step;
inline void stuck_poll() {
  if (seam_step() >= stuck_next_step) [[unlikely]] stuck_look();
}
// The same: nobody can run before a timer fires or a descriptor is ready.
void stuck_idle();

// Those who can never run again now, in order of id, where `leaving`, if any, will not go on either; empty also where
// nobody can tell. Only while the run is one that ends when somebody is stuck.
std::vector<const G*> stuck_now(const G* leaving);

}  // namespace reprise::rt
