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

// A timer is set that has not fired. Reads no clock.
bool timers_pending();
// Samples the clock once and fires what is due, in order. True if a goroutine became runnable.
bool timers_run_due();
// Nanoseconds from the last sample to the next deadline, at least 0; -1 if no timer is set.
int64_t timers_wait_ns();

// ---- native mode, many Ps ----

struct TimerCheck {
  int64_t now_ns = 0;             // 0: the clock was not read, no timer is set there
  int64_t next_ns = INT64_MAX;    // when the next timer is due there, INT64_MAX: none
  bool ran = false;               // a timer fired: a goroutine may have become runnable
};
// Fires what is due in pp's heap, and in those of Ps that are no more. pp: one's own, or a victim's.
// now_ns: 0 or a reading of the clock that is fresh enough. g0, with a P.
TimerCheck timers_check(P* pp, int64_t now_ns);
// When the first timer of any heap is due; INT64_MAX if none is set. A hint.
int64_t timers_earliest();
// gomaxprocs() takes pp away, or brings it back. The world is stopped.
void timers_orphan(P* pp);
void timers_adopt(P* pp);
// A timer due at when_ns is now the first of its heap: if an idle thread sleeps past it, or none
// looks at timers, somebody must wake. The scheduler's, called by any thread, after a full fence.
void wake_netpoller(int64_t when_ns);

// The goroutines that became ready, linked by schedlink, still waiting: the caller readies each.
// wait_ns as for netpoll(). Any number of threads may poll at once if all but one do not block.
// Only a poll that blocks consumes a netpoll_break(). g0.
G* netpoll_gather(int64_t wait_ns);

// ---- both ----

// A goroutine waits for a descriptor or for a call on a worker thread: netpoll can wake somebody.
bool netpoll_waiting();
// Readies what became ready. wait_ns: 0 does not block, -1 blocks until something happens, else at
// most that long; netpoll_break() ends it early. True if a goroutine became runnable. Works, as a
// plain sleep, when nothing waits for a descriptor.
bool netpoll(int64_t wait_ns);
// Ends a netpoll that blocks, or the next one. Any thread.
void netpoll_break();

}  // namespace reprise::rt
