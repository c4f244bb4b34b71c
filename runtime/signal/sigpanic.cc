// Which faults become panics, and with which text.
//
// A nil dereference (an address in the first page, which nobody can map) and an integer division by zero,
// by an instruction of the executable's, on a goroutine that holds nothing of the runtime's. All else is
// a crash: a pointer that is wrong in any other way says that memory is corrupt, and libraries do not
// expect to be left in the middle. (INT_MIN / -1 raises the same signal on this processor; its text is
// that of a division by zero.)
//
// The handler pushes a call of reprise_sigpanic at the faulting instruction, so that the panic runs on the
// goroutine's stack, its traceback leads through the instruction, and unwinding works as from any call.
// A call of a nil function has left its return address on the stack: there the caller panics.
#include "runtime/signal/sigpanic.h"

#include <cstdint>
#include <cstdio>

#include "asm/preempt.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"

extern "C" {
extern const char __executable_start[], etext[];
void reprise_sigpanic();
[[noreturn]] void reprise_sigpanic2();
}

namespace reprise::rt {

namespace {

constexpr uint64_t kNilBytes = 4096;
constexpr uint64_t kPanicStackBytes = 8192;  // what the panic needs before it leaves this stack

bool in_executable(uint64_t pc) {
  return pc >= reinterpret_cast<uint64_t>(__executable_start) && pc < reinterpret_cast<uint64_t>(etext);
}

bool nil_address(const siginfo_t& info) {
  return info.si_code > 0 && reinterpret_cast<uint64_t>(info.si_addr) < kNilBytes;
}

// The panic's text; null: this is no panic.
const char* text_of(int signal, const siginfo_t& info) {
  if (signal == SIGFPE && info.si_code == FPE_INTDIV) return "runtime error: integer divide by zero";
  if ((signal != SIGSEGV && signal != SIGBUS) || !nil_address(info)) return nullptr;
  // A general protection fault has no address, and is told as 0.
  if (signal == SIGSEGV && info.si_code != SEGV_MAPERR && info.si_code != SEGV_ACCERR) return nullptr;
  return "runtime error: invalid memory address or nil pointer dereference";
}

bool canpanic(const G* gp, uint64_t sp) {
  if (gp == nullptr || gp != curg() || gp->no_preempt != 0) return false;
  const M* mp = gp->ctx.m;
  if (mp->locks != 0 || mp->mallocing != 0 || sched.dying.load(std::memory_order_relaxed)) return false;
  return sp >= gp->ctx.stack_lo + kPanicStackBytes && sp <= gp->ctx.stack_hi;
}

// Written by the handler, read by the panic on the same goroutine just after it.
struct Fault {
  const char* text;
  const char* signal;
  int code;
  uint64_t address, pc;
};
thread_local Fault fault __attribute__((tls_model("initial-exec")));

}  // namespace

bool prepare_sigpanic(int signal, const siginfo_t& info, ucontext_t* context) {
  greg_t* regs = context->uc_mcontext.gregs;
  const char* text = text_of(signal, info);
  auto sp = static_cast<uint64_t>(regs[REG_RSP]);
  auto pc = static_cast<uint64_t>(regs[REG_RIP]);
  if (text == nullptr || !canpanic(getg(), sp)) return false;
  fault = {text, signal == SIGFPE ? "SIGFPE" : signal == SIGBUS ? "SIGBUS: bus error" : "SIGSEGV: segmentation violation",
           info.si_code, reinterpret_cast<uint64_t>(info.si_addr), pc};
  if (pc == 0) {
    // In the call, not behind it, where another landing pad may be responsible.
    pc = *reinterpret_cast<const uint64_t*>(sp) - 1;
    sp += sizeof(uint64_t);
  }
  if (!in_executable(pc)) return false;
  sp -= PREEMPT_RED_ZONE + sizeof(uint64_t);
  *reinterpret_cast<uint64_t*>(sp) = pc;
  regs[REG_RSP] = static_cast<greg_t>(sp);
  regs[REG_RIP] = reinterpret_cast<greg_t>(&reprise_sigpanic);
  constexpr greg_t kDirection = 0x400;
  regs[REG_EFL] &= ~kDirection;
  return true;
}

}  // namespace reprise::rt

void reprise_sigpanic2() {
  using namespace reprise::rt;
  char message[256];
  std::snprintf(message, sizeof message, "%s\n[signal %s code=0x%x addr=0x%llx pc=0x%llx]", fault.text, fault.signal,
                static_cast<unsigned>(fault.code), static_cast<unsigned long long>(fault.address),
                static_cast<unsigned long long>(fault.pc));
  gopanic(message);
}
