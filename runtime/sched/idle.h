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

// A timer is set that has not fired. Reads no clock.
bool timers_pending();
// Samples the clock once and fires what is due, in order. True if a goroutine became runnable.
bool timers_run_due();
// Nanoseconds from the last sample to the next deadline, at least 0; -1 if no timer is set.
int64_t timers_wait_ns();

// A goroutine waits for a descriptor or for a call on a worker thread: netpoll can wake somebody.
bool netpoll_waiting();
// Readies what became ready. wait_ns: 0 does not block, -1 blocks until something happens, else at
// most that long; netpoll_break() ends it early. True if a goroutine became runnable. Works, as a
// plain sleep, when nothing waits for a descriptor.
bool netpoll(int64_t wait_ns);
// Ends a netpoll that blocks, or the next one. Any thread.
void netpoll_break();

}  // namespace reprise::rt
