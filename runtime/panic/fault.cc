// Fault signals: a touched guard is a stack overflow with the goroutine's name, a nil dereference or a
// division by zero of the program's a panic (signal/sigpanic.cc), anything else is told and then left
// to kill the process as it would have. SIGQUIT is quit.cc's.
//
// The handlers run on a stack of their own, one a thread, since the goroutine's may be what is full.
// They look up symbols and so use the heap, which the signal may have interrupted: an alarm ends a
// report that gets stuck. After the report of a plain fault the default
// action is restored and the instruction runs again: the process dies of the same signal at the same
// instruction, with a core of the state at the fault.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "runtime/mem/stack.h"
#include "runtime/panic/fatal.h"
#include "runtime/panic/quit.h"
#include "runtime/panic/report.h"
#include "runtime/sched/sched.h"
#include "runtime/signal/sigpanic.h"
#include "runtime/sys/sigaction.h"

namespace reprise::rt {

namespace {

constexpr unsigned kReportSeconds = 60;
constexpr size_t kFaultStackBytes = 256 << 10;  // symbols are looked up on it

thread_local void* fault_stack_base __attribute__((tls_model("initial-exec"))) = nullptr;

bool in_guard(const G* gp, uint64_t address) {
  return gp->ctx.stack_guard < gp->ctx.stack_lo && address >= gp->ctx.stack_guard &&
         address < gp->ctx.stack_lo;
}

const char* describe(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV: segmentation violation";
    case SIGBUS: return "SIGBUS: bus error";
    case SIGFPE: return "SIGFPE: floating-point exception";
    case SIGILL: return "SIGILL: illegal instruction";
    case SIGABRT: return "SIGABRT: abort";
  }
  return "?";
}

void report_fault(int signal, const siginfo_t& info, const ucontext_t& context) {
  char text[160];
  std::snprintf(text, sizeof text,
                "fatal error: unexpected signal\n[signal %s: code=0x%x addr=0x%llx pc=0x%llx]\n",
                describe(signal), static_cast<unsigned>(info.si_code),
                static_cast<unsigned long long>(reinterpret_cast<uint64_t>(info.si_addr)),
                static_cast<unsigned long long>(context.uc_mcontext.gregs[REG_RIP]));
  report_text(text);
}

void on_fault(int signal, siginfo_t* info, void* raw_context) {
  const auto& context = *static_cast<const ucontext_t*>(raw_context);
  G* gp = getg();
  const bool on_goroutine = gp != nullptr && gp == curg();
  if (prepare_sigpanic(signal, *info, static_cast<ucontext_t*>(raw_context))) return;
  if (on_goroutine) ++gp->no_preempt;  // the report takes locks: nobody else may run in its place
  const Registers registers = registers_of(context);
  if (signal == SIGSEGV && on_goroutine && in_guard(gp, reinterpret_cast<uint64_t>(info->si_addr))) {
    stack_overflow(gp, &registers);
  }
  ::signal(signal, SIG_DFL);
  if (sched.dying.exchange(true)) return;
  alarm(kReportSeconds);
  report_fault(signal, *info, context);
  if (on_goroutine) report_goroutine(gp, "running", &registers);
  alarm(0);
  // A fault comes again when the handler returns, and then ends the process; what was sent does not.
  if (info->si_code <= 0) raise(signal);
}

void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (signal == SIGQUIT) {  // the one that does not come from the thread itself
    sys::own_sigaction(signal, &action, nullptr);
  } else {
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

Registers registers_of(const ucontext_t& context) {
  static constexpr int kFromDwarf[17] = {
      REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
      REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  Registers registers;
  for (int i = 0; i < 17; ++i) {
    registers.r[i] = static_cast<uint64_t>(context.uc_mcontext.gregs[kFromDwarf[i]]);
  }
  return registers;
}

void install_fault_handler() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) install(signal, on_fault);
  install(SIGQUIT, on_quit);
}

void install_fault_stack(M*) {
  void* base = mmap(nullptr, kFaultStackBytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) throw_("out of memory (signal stack)");
  const stack_t stack{.ss_sp = base, .ss_flags = 0, .ss_size = kFaultStackBytes};
  if (sigaltstack(&stack, nullptr) != 0) throw_("sigaltstack failed");
  fault_stack_base = base;
}

void remove_fault_stack(M*) {
  const stack_t off{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
  sigaltstack(&off, nullptr);
  munmap(fault_stack_base, kFaultStackBytes);
  fault_stack_base = nullptr;
}

}  // namespace reprise::rt
