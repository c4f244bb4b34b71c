// Signals that came and were not delivered yet (reference: sigsend, signal_recv).
//
// A handler calls sigsend(); natively a goroutine of the runtime sleeps in signal_recv_wait() and then
// delivers (notify.cc), in controlled modes the scheduler looks at signals_pending() in every round.
//
// Thread safety: sigsend any thread, in signal handlers. The others as sigqueue_protocol.h says.
#pragma once

#include <signal.h>

#include <cstdint>

namespace reprise::rt {

constexpr uint64_t signal_bit(int signal) { return uint64_t{1} << (signal - 1); }

// False: nobody has asked for it. Async-signal-safe.
bool sigsend(int signal);
// The handler of signals that somebody wants.
void on_notified(int signal, siginfo_t*, void*);

// ---- for notify.cc ----
void sigqueue_want(uint64_t bits);
void sigqueue_unwant(uint64_t bits);
uint64_t sigqueue_wanted();
bool sigqueue_any();       // something came; a hint unless under the baton
uint64_t sigqueue_take();  // the signals that came, as bits
// Blocks the M, without its P. On a goroutine, native mode.
void signal_recv_wait();
// Makes signal_recv_wait() return, or its next call.
void signal_recv_kick();

// ---- notify.cc, for the scheduler in controlled modes ----
// Something came that was not delivered. Cheap.
bool signals_pending();
// Some channel wants signals: that all goroutines wait is no deadlock.
bool signals_wanted();
// Delivers what is pending, as decided; `may_wait`: all of it may be left for later. True if something
// was delivered. g0, with the P.
bool signals_deliver(bool may_wait);
// In the child of a fork: the goroutine that delivers is not there.
void signals_after_fork();
// Natively, a goroutine delivers: it ends soon after nothing is wanted any more.
bool signal_loop_runs_for_test();

}  // namespace reprise::rt
