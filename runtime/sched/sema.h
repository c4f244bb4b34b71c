// Semaphores of the runtime: sleep and wakeup for the sync types, by address (the reference's
// semacquire and semrelease).
//
// A semaphore is a 32-bit count anywhere in memory; semacquire waits until it is positive and
// takes one, semrelease adds one and wakes a waiter. Best seen as a way to sleep and to be woken
// such that every sleep is paired with one wakeup even if the wakeup comes first.
//
// Thread safety: any goroutine. Blocks the goroutine only. The words belong to the callers; they
// must live as long as anybody waits on them.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// lifo: at the front of the line instead of its end.
void semacquire1(std::atomic<uint32_t>* addr, bool lifo, WaitReason reason);
inline void semacquire(std::atomic<uint32_t>* addr) {
  semacquire1(addr, false, WaitReason::semacquire);
}

// handoff: the woken goroutine gets the token itself, nobody can overtake it, and in native mode
// it runs next. Who is woken among several is a `wake` decision.
void semrelease1(std::atomic<uint32_t>* addr, bool handoff);
inline void semrelease(std::atomic<uint32_t>* addr) { semrelease1(addr, false); }

// Whether it makes sense to spin for the `iter`-th time (from 0) on a lock that a goroutine holds instead
// of waiting at once: the holder may be running elsewhere and about to be done, and nobody is
// kept from running here. The reference's rules: few spins, more than one CPU, some other P that runs and
// does not itself look for work, nothing in this P's queue. Never with a policy. Goroutine.
bool sync_can_spin(int iter);
void sync_do_spin(int iter);  // 8 pauses, and each time twice as many

}  // namespace reprise::rt
