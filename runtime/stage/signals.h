// Signals of the program: queued when they arrive, delivered at its next trap, in replay where the
// tape says.
//
// Thread safety: the table of actions is under the baton; queues belong to their threads.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "runtime/stage/call.h"
#include "runtime/stage/thread.h"

namespace reprise::stage {

// The kernel's struct sigaction.
struct Action {
  uint64_t handler, flags, restorer, mask;
};
inline constexpr int kSignals = 65;
constexpr uint64_t signal_bit(int signal) { return 1ull << (signal - 1); }

extern Action actions[kSignals];

// What the kernel puts on the stack, the vector state apart.
inline constexpr size_t kKernelContextBytes = offsetof(ucontext_t, uc_sigmask) + 8;

// Installs the stage's own handlers and takes over the mask. REQUIRES: called once.
void install_handlers();
// The part of it that no process keeps over an execve; and for one that is about to execute: of these
// signals the ones that the program ignores.
void catch_own_signals();
void hand_over_ignored();
// A forked child: the program's actions become the kernel's.
void restore_program_handlers();
// An exec: caught signals go back to default, as the kernel does.
void reset_caught_actions();
// The kernel's mask of this thread as the program has it, before an exec.
void set_kernel_mask(uint64_t mask);

// Whether a signal is to be delivered before the call (replay: the next record says so), or after.
bool signal_due_before(Thread& t);
bool signal_due_after(Thread& t);
enum class When { before, after };
// Delivers one. `before`: the trapped call runs again when the handler returns.
void take_signal(Thread& t, ucontext_t* context, When when, long nr);
// The first deliverable queued signal has a handler that lets calls go on. REQUIRES: t.pending.
bool first_signal_restarts(Thread& t);

// Builds the handler's frame. `info` of a fault that the program itself made.
void deliver(Thread& t, ucontext_t* context, int signal, const siginfo_t& info);

// The default action of `signal` ends the process.
bool ends_process(int signal);
// Ends the process by this signal, as the kernel would have.
[[noreturn]] void die_by_signal(int signal);

// Handlers of the calls on signals, for trap.cc.
long do_rt_sigaction(Thread& t, Call& call);
long do_rt_sigprocmask(Thread& t, Call& call);
long do_sigaltstack(Thread& t, Call& call);
long do_rt_sigreturn(Thread& t, Call& call);
long do_kill(Thread& t, Call& call);

// faults.cc: whether an instruction is the stage's own.
bool in_stage(greg_t ip);
// faults.cc: SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP.
void on_fault(int signal, siginfo_t* info, void* context);
// trap.cc: SIGSYS.
void on_trap(int signal, siginfo_t* info, void* context);
// Any other signal that the program catches.
void on_signal(int signal, siginfo_t* info, void* context);

constexpr bool synchronous(int signal) {
  return signal == SIGSEGV || signal == SIGILL || signal == SIGBUS || signal == SIGFPE ||
         signal == SIGTRAP || signal == SIGSYS;
}
// Those whose handler in the kernel is always the stage's own.
constexpr bool ours(int signal) { return synchronous(signal) || signal == tape::kWatchdogSignal; }

}  // namespace reprise::stage
