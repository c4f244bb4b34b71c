// Dispatch of system calls, and the way from an instruction into the world.
//
// Invariants: the handler itself calls nothing of libc's. Signals' masks and stacks are the interrupted
// context's business, because the return from the handler restores them; SIGSYS is never blocked while calls
// are dispatched, or the next call would end the process.
#include "runtime/sim/trap.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <cstddef>
#include <cstring>

#include "asm/preempt.h"
#include "runtime/boot/boot.h"
#include "runtime/sched/proc.h"
#include "runtime/sim/calls.h"
#include "runtime/sim/sim.h"
#include "runtime/stage/abi.h"
#include "runtime/sys/syscall.h"

extern "C" {
long reprise_dispatch_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
void reprise_dispatch_restorer();
extern const char reprise_dispatch_begin[], reprise_dispatch_end[];
}

namespace reprise::sim {

namespace {

// Announced like any call of the runtime's own: libc's calls have no scheduling point of theirs. Not those on
// files and paths: libc may hold the lock of a FILE or of a folder, and another goroutine that wants it
// would stop the thread.
void announce(long nr, const long* args) {
  const Belongs belongs = row_of(nr).belongs;
  if (belongs == Belongs::polled || belongs == Belongs::selected) return rt::seam_point(seam::OpKind::io_other, {});
  if (belongs != Belongs::descriptor || !owns(static_cast<int>(args[0]))) return;
  if (!file_of(static_cast<int>(args[0]))->pollable()) return;
  const bool reads = nr == SYS_read || nr == SYS_recvfrom || nr == SYS_recvmsg || nr == SYS_accept4;
  rt::seam_point(reads ? seam::OpKind::io_read : seam::OpKind::io_write, object_of(static_cast<int>(args[0])), true);
}

[[maybe_unused]] bool dispatching = false;

#ifndef REPRISE_SANITIZED

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
constexpr long kDispatchOff = 0, kDispatchOn = 1;
volatile char selector = 1;  // SYSCALL_DISPATCH_FILTER_BLOCK

struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  uint64_t flags;
  void (*restorer)();
  uint64_t mask;
};
constexpr uint64_t kSaRestorer = 0x04000000;
constexpr uint64_t kSigsysBit = uint64_t{1} << (SIGSYS - 1);

long kernel(long nr, const long* a) { return reprise_dispatch_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]); }

// On the mask that the return from the handler puts into force.
long change_mask(ucontext_t* context, const long* args) {
  uint64_t mask;
  std::memcpy(&mask, &context->uc_sigmask, sizeof mask);
  if (args[2] != 0) std::memcpy(reinterpret_cast<void*>(args[2]), &mask, sizeof mask);
  if (args[1] == 0) return 0;
  uint64_t set;
  std::memcpy(&set, reinterpret_cast<const void*>(args[1]), sizeof set);
  switch (args[0]) {
    case SIG_BLOCK: mask |= set; break;
    case SIG_UNBLOCK: mask &= ~set; break;
    case SIG_SETMASK: mask = set; break;
    default: return -EINVAL;
  }
  mask &= ~kSigsysBit;
  std::memcpy(&context->uc_sigmask, &mask, sizeof mask);
  return 0;
}

long kernels_call(ucontext_t* context, long nr, const long* args) {
  switch (nr) {
    case SYS_rt_sigprocmask: return change_mask(context, args);
    case SYS_sigaltstack: unsupported("sigaltstack", "");
    case SYS_clone3: return -ENOSYS;  // libc goes on to clone
    case SYS_clone: case SYS_fork: case SYS_vfork:
      unsupported("a thread or process of the program's own", "explore() runs goroutines only");
    default: return kernel(nr, args);
  }
}

void on_dispatch(int, siginfo_t*, void* arg) {
  auto* context = static_cast<ucontext_t*>(arg);
  greg_t* regs = context->uc_mcontext.gregs;
  const long nr = regs[REG_RAX];
  if (nr == SYS_rt_sigreturn) {  // of another handler
    regs[REG_RIP] = reinterpret_cast<greg_t>(&reprise_dispatch_restorer);
    return;
  }
  const long args[6] = {regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10], regs[REG_R8], regs[REG_R9]};
  if (!wants(nr, args)) {
    regs[REG_RAX] = kernels_call(context, nr, args);
    return;
  }
  const asm_::StoppedAt on = asm_::simulated_call(
      {static_cast<uint64_t>(regs[REG_RIP]), static_cast<uint64_t>(regs[REG_RSP])});
  regs[REG_RIP] = static_cast<greg_t>(on.pc);
  regs[REG_RSP] = static_cast<greg_t>(on.sp);
}

void dispatch_here() {
  const KernelAction action{on_dispatch, SA_SIGINFO | SA_ONSTACK | kSaRestorer, reprise_dispatch_restorer, 0};
  rt::sys::call_kernel(SYS_rt_sigaction, SIGSYS, &action, nullptr, sizeof action.mask);
  rt::sys::use_kernel_entry(reprise_dispatch_syscall);
  const long armed = rt::sys::call_kernel(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, kDispatchOn, reprise_dispatch_begin,
                                          reprise_dispatch_end - reprise_dispatch_begin, &selector);
  if (armed < 0) rt::throw_("simulated world: this kernel dispatches no system calls (reprise doctor)");
  dispatching = true;
}

#endif  // REPRISE_SANITIZED

}  // namespace

void catch_calls() {
  if (const stage::Table* table = rt::stage_table()) {
    static constexpr stage::SimulatedWorld world{wants, reprise_simulated_call};
    const bool known = table->bytes >= offsetof(stage::Table, simulated) + sizeof table->simulated;
    if (!known) rt::throw_("simulated world: this reprise-stage is older than the program");
    return table->simulated(&world);
  }
#ifndef REPRISE_SANITIZED
  dispatch_here();
#endif
}

void let_calls_go() {
#ifndef REPRISE_SANITIZED
  if (!dispatching) return;
  dispatching = false;
  rt::sys::call_kernel(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, kDispatchOff, 0, 0, 0);
#endif
}

}  // namespace reprise::sim

extern "C" void reprise_simulated_call2(uint64_t* frame) {
  using namespace reprise;
  const auto saved = [frame](int below) { return static_cast<long>(frame[-below]); };
  constexpr int kRax = 2, kRdx = 4, kRsi = 6, kRdi = 7, kR8 = 8, kR9 = 9, kR10 = 10;
  const long nr = saved(kRax);
  const long args[6] = {saved(kRdi), saved(kRsi), saved(kRdx), saved(kR10), saved(kR8), saved(kR9)};
  sim::announce(nr, args);
  // Another goroutine may have closed the descriptor at that point.
  const bool still = sim::wants(nr, args);
  frame[-kRax] = static_cast<uint64_t>(still ? sim::call(nr, args) : -EBADF);
}
