// What the scheduler asks of timers and of the network poller when it looks for work.
//
// runtime/time implements the timers_ functions, runtime/poll the netpoll ones. They run on g0, on
// the M that holds the P, except netpoll_break(). The scheduler calls them in this order: now and
// then while goroutines are runnable (timers_run_due, netpoll(0)), and when none is (timers_run_due,
// then netpoll with the time that is left). That netpoll(-1) has nothing to wait for and no timer is
// set is what the scheduler calls a deadlock.
#pragma once

#include <cstdint>

namespace reprise::rt {

struct G;
struct P;
struct TimerHeap;

// A timer is set that has not fired. Reads no clock.
bool timers_pending();
// Samples the clock once and fires what is due, in order. True if a goroutine became runnable.
bool timers_run_due();
// Nanoseconds from the last sample to the next deadline, at least 0; -1 if no timer is set.
int64_t timers_wait_ns();

// ---- native mode: several Ms ask at the same time ----

// The earliest deadline of all heaps, INT64_MAX if no timer is set. Reads no clock. Any thread. A hint.
int64_t timers_earliest();
// The same of the heap of pp, and of the heaps whose P is no more.
int64_t timers_earliest_of(P* pp);
// Fires what is due in one heap, one's own or a victim's, and in those whose P is no more. True if
// something fired: a goroutine may have become runnable. g0, with a P.
bool timers_run_heap(TimerHeap* heap, int64_t now_ns);
// gomaxprocs() takes pp away, or brings it back: its timers stay. The world is stopped.
void timers_orphan(P* pp);
void timers_adopt(P* pp);
// A timer due at when_ns is now the first of its heap: if an idle thread sleeps past it, or none
// looks at timers, somebody must wake. The scheduler's; any thread, no lock held, after a full fence.
void wake_net_poller(int64_t when_ns);

// The goroutines that became ready, linked by schedlink, still waiting: the caller readies each.
// wait_ns as for netpoll(). Any number of threads may poll at once if all but one do not block.
// Only a poll that blocks consumes a netpoll_break(). g0 or a thread without a g.
G* netpoll_collect(int64_t wait_ns);
// A goroutine waits for a descriptor or for a call on a worker thread: netpoll can wake somebody. Any thread.
bool netpoll_waiting_natively();

// ---- both ----

// The same for who has the baton: reports that a policy has kept back, and simulated descriptors, count too.
bool netpoll_waiting();
// Readies what became ready. wait_ns: 0 does not block, -1 blocks until something happens, else at
// most that long; netpoll_break() ends it early. True if a goroutine became runnable. Works, as a
// plain sleep, when nothing waits for a descriptor.
bool netpoll(int64_t wait_ns);
// Ends a netpoll that blocks, or the next one. Any thread.
void netpoll_break();

// Something ended that kept goroutines which all wait from being a deadlock. The scheduler's; any thread.
void recheck_deadlock();

}  // namespace reprise::rt
