// The trap: every system call of the program arrives here as SIGSYS, and every direct call in
// do_syscall().
//
// A call is either the stage's own business (memory, threads, signals, its descriptors), and then
// one function of the table below does it, or it is plain: the model says what it reads and writes.
#include <errno.h>
#include <linux/prctl.h>

#include "runtime/stage/call.h"
#include "runtime/stage/descriptors.h"
#include "runtime/stage/events.h"
#include "runtime/stage/gate_offsets.h"
#include "runtime/stage/memory.h"
#include "runtime/stage/model.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/preempt_key.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/rewrite.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/vfork.h"

namespace reprise::stage {
namespace {

using Handler = long (*)(Thread&, Call&);

long do_absent(Thread& t, Call& call) { return settled(t, call, -ENOSYS); }
long do_nothing(Thread& t, Call& call) { return settled(t, call, 0); }

// A filter of the program's would bind the stage too: this kernel has none, nor Landlock.
long do_prctl(Thread& t, Call& call) {
  return call.args[0] == PR_SET_SECCOMP ? settled(t, call, -EINVAL) : plain(t, call);
}

Handler handler_of(long nr) {
  switch (nr) {
    case SYS_mmap: return do_mmap;
    case SYS_munmap: return do_munmap;
    case SYS_mprotect:
    case SYS_pkey_mprotect: return do_mprotect;
    case SYS_mremap: return do_mremap;
    case SYS_brk: return do_brk;
    case SYS_madvise: return do_madvise;
    case SYS_mincore: return do_mincore;

    case SYS_clone:
    case SYS_fork:
    case SYS_vfork: return do_clone;
    case SYS_execve:
    case SYS_execveat: return do_exec;
    case SYS_exit: return do_exit;
    case SYS_exit_group: return do_exit_group;
    case SYS_arch_prctl: return do_arch_prctl;
    case SYS_set_tid_address: return do_set_tid_address;
    case SYS_gettid: return do_gettid;
    case SYS_sched_getaffinity: return do_sched_getaffinity;

    case SYS_rt_sigaction: return do_rt_sigaction;
    case SYS_rt_sigprocmask: return do_rt_sigprocmask;
    case SYS_rt_sigreturn: return do_rt_sigreturn;
    case SYS_sigaltstack: return do_sigaltstack;
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill: return do_kill;

    case SYS_close: return do_close;
    case SYS_close_range: return do_close_range;
    case SYS_dup2:
    case SYS_dup3: return do_dup_to;
    case SYS_open:
    case SYS_openat: return do_open;
    case SYS_readlink:
    case SYS_readlinkat: return do_readlink;

    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_splice:
    case SYS_tee:
    case SYS_vmsplice: return do_kernel_copy;

    case SYS_prctl: return do_prctl;
    case SYS_seccomp:
    case SYS_landlock_create_ruleset:
    case SYS_landlock_add_rule:
    case SYS_landlock_restrict_self: return do_absent;

    // Without these, programs do the same by other means, which we know.
    case SYS_rseq:
    case SYS_clone3:
    case SYS_name_to_handle_at:
    case SYS_pkey_alloc: return do_absent;
    case SYS_set_robust_list: return do_nothing;
    default: return plain;
  }
}

// These need the registers of a trap.
bool needs_trap(long nr) {
  return nr == SYS_clone || nr == SYS_fork || nr == SYS_vfork || nr == SYS_execve ||
         nr == SYS_execveat || nr == SYS_rt_sigreturn || nr == SYS_exit || nr == SYS_exit_group;
}

Call call_of(ucontext_t* context) {
  const greg_t* g = context->uc_mcontext.gregs;
  return {g[REG_RAX], {g[REG_RDI], g[REG_RSI], g[REG_RDX], g[REG_R10], g[REG_R8], g[REG_R9]}, context,
          static_cast<uint64_t>(g[REG_RIP]), static_cast<uint64_t>(g[REG_RSP])};
}

const SimulatedWorld* simulated_world = nullptr;

// The runtime's calls come through the table; it has asked its world itself.
bool from_the_table(const Call& call) {
  constexpr uint64_t kSyscallInstruction = 2;
  return call.ip == REPRISE_TRAP_CALL || call.ip == REPRISE_TRAP_CALL + kSyscallInstruction;
}

// The world's code may use vector registers, which only a trap keeps: a rewritten call traps for it.
bool is_simulated(const Call& call) {
  if (simulated_world == nullptr || mode == Mode::off || from_the_table(call)) return false;
  return !call.context || simulated_world->wants(call.nr, call.args);
}

void enter_simulated(ucontext_t* context) {
  constexpr greg_t kRedZone = 128;
  greg_t* regs = context->uc_mcontext.gregs;
  regs[REG_RSP] -= kRedZone + 8;
  *reinterpret_cast<greg_t*>(regs[REG_RSP]) = regs[REG_RIP];
  regs[REG_RIP] = reinterpret_cast<greg_t>(simulated_world->enter);
}

// What follows the instruction may have been rewritten, by this trap or during it. The flags that the
// instruction leaves in r11 may be those of a tick of counted code, which differ in a replay.
void go_on(Thread& t, ucontext_t* context) {
  context->uc_mcontext.gregs[REG_R11] &= ~static_cast<greg_t>(kProgramFlags);
  preempt_before_program(t);
  greg_t& ip = context->uc_mcontext.gregs[REG_RIP];
  ip = static_cast<greg_t>(resume_address(ip));
}

}  // namespace

long do_syscall(Thread& t, Call& call) {
  if (!call.context && needs_trap(call.nr)) return kMustTrap;
  if (call.nr == SYS_rt_sigreturn) return do_rt_sigreturn(t, call);
  if (is_simulated(call)) return call.context ? kSimulated : kMustTrap;
  if (!model::known(call.nr)) unmodelled(t, call, nullptr);
  if (const char* what = model::refused(call)) unmodelled(t, call, what);
  if (!live() && t.vforked) vforked_may_be_killed(t);
  if (!live()) turn(t, model::blocks(call));
  if (signal_due_before(t)) return kMustTrap;
  call.check = model::check(call);
  return handler_of(call.nr)(t, call);
}

extern "C" void stage_do_simulated(const SimulatedWorld* world) { simulated_world = world; }

void on_trap(int, siginfo_t* info, void* v) {
  constexpr unsigned kAuditArchX86_64 = 0xc000'003e;
  Thread& t = self();
  auto* context = static_cast<ucontext_t*>(v);
  if (is_gate_trap(context->uc_mcontext.gregs[REG_RIP]) && leave_by_trap(t, context)) {
    take_signal(t, context, When::after, 0);
    return go_on(t, context);
  }
  Call call = call_of(context);
  if (info->si_arch != kAuditArchX86_64) unmodelled(t, call, "a 32-bit call");
  const long result = do_syscall(t, call);
  if (result == kMustTrap) return take_signal(t, context, When::before, call.nr);
  if (result == kSimulated) return enter_simulated(context);
  context->uc_mcontext.gregs[REG_RAX] = result;
  if (mode == Mode::off) return;
  if (!needs_trap(call.nr) && !simulated_world) count_trap(call.ip, call.nr);
  if (call.nr != SYS_rt_sigreturn && signal_due_after(t)) take_signal(t, context, When::after, call.nr);
  go_on(t, context);
}

}  // namespace reprise::stage
