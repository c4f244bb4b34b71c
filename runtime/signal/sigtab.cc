// The handler of signals that go to channels, and the actions before it.
//
// Invariant: `before[n]` holds the action that was in force when the runtime first changed it for notify or
// ignore, and `changed` says so; undoing restores exactly that. So SIGQUIT is the runtime's own report
// again, and a signal that the parent ignored (nohup) is ignored again.
//
// The handler runs on the thread's signal stack with all signals blocked, and touches neither the
// goroutine that it interrupted nor the M: it may land anywhere.
#include "runtime/signal/sigtab.h"

#include <signal.h>

#include <cstring>
#include <initializer_list>

#include "runtime/sched/m.h"
#include "runtime/signal/sigqueue.h"
#include "runtime/sys/sigaction.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr int kSignals = 65;
struct sigaction before[kSignals];
uint64_t changed = 0;

void set_action(int signal, const struct sigaction& action) {
  struct sigaction old;
  if (sys::own_sigaction(signal, &action, &old) != 0) return;
  if ((changed & signal_bit(signal)) != 0) return;
  before[signal] = old;
  changed |= signal_bit(signal);
}

constexpr uint64_t bits_of(std::initializer_list<int> signals) {
  uint64_t bits = 0;
  for (const int signal : signals) bits |= signal_bit(signal);
  return bits;
}

constexpr int kCancel = 32, kSetxid = 33;  // libc's own

}  // namespace

constinit const uint64_t kNotifiable =
    ~bits_of({SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGSTKFLT, kCancel, kSetxid});

void sigenable(int signal) {
  struct sigaction action {};
  action.sa_sigaction = on_notified;  // sigqueue.cc, which no sanitizer of threads looks into
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&action.sa_mask);
  set_action(signal, action);
  unblock_inherited(signal_bit(signal));
}

void sigignore(int signal) {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  set_action(signal, action);
}

bool sigignored(int signal) {
  struct sigaction now;
  return sys::own_sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_IGN;
}

void sigdisable(int signal) {
  if ((changed & signal_bit(signal)) == 0) return;
  changed &= ~signal_bit(signal);
  sys::own_sigaction(signal, &before[signal], nullptr);
}

void unblock_inherited(uint64_t bits) {
  uint64_t inherited;
  std::memcpy(&inherited, &initial_sigmask(), sizeof inherited);
  bits &= inherited;
  if (bits == 0) return;
  sigset_t set;
  sigemptyset(&set);
  std::memcpy(&set, &bits, sizeof bits);
  sys::thread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

const char* signame(int signal) {
  static constexpr const char* kNames[] = {
      nullptr, "hangup", "interrupt", "quit", "illegal instruction", "trace/breakpoint trap", "aborted",
      "bus error", "floating point exception", "killed", "user defined signal 1", "segmentation fault",
      "user defined signal 2", "broken pipe", "alarm clock", "terminated", "stack fault", "child exited",
      "continued", "stopped (signal)", "stopped", "stopped (tty input)", "stopped (tty output)",
      "urgent I/O condition", "CPU time limit exceeded", "file size limit exceeded", "virtual timer expired",
      "profiling timer expired", "window changed", "I/O possible", "power failure", "bad system call"};
  if (signal < 1 || signal >= static_cast<int>(sizeof kNames / sizeof *kNames)) return nullptr;
  return kNames[signal];
}

}  // namespace reprise::rt
