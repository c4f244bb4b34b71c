// Faults: of the program, of the stage on behalf of a call, and instructions made to fault.
//
// A fault inside the stage while a guarded access is on is the program's bad pointer: execution
// goes on behind guarded(). Any other fault in the stage's text is a broken invariant. What is left
// is the program's: its handler gets a frame, or it dies by the same signal at the same
// instruction, after the final hash was taken.
#include <signal.h>

#include "runtime/stage/events.h"
#include "runtime/stage/instructions.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/text.h"

extern "C" {
extern const char __executable_start[], etext[];
extern const char stage_guard_failed[];
}

// The hook of tools/cli/gdb.cc: the fault that comes next is the program's last.
__attribute__((noinline)) void at_death() { asm volatile(""); }

namespace reprise::stage {
namespace {

void leave_guard(const Guard& g, ucontext_t* context) {
  greg_t* regs = context->uc_mcontext.gregs;
  regs[REG_RBX] = g.rbx;
  regs[REG_RBP] = g.rbp;
  regs[REG_R12] = g.r12;
  regs[REG_R13] = g.r13;
  regs[REG_R14] = g.r14;
  regs[REG_R15] = g.r15;
  regs[REG_RSP] = g.rsp;
  regs[REG_RIP] = reinterpret_cast<greg_t>(stage_guard_failed);
}

[[noreturn]] void stage_is_broken(int signal, const siginfo_t* info, greg_t ip) {
  Line line;
  line << "fault " << signal << " in the stage at ";
  line.hex(ip) << ", address ";
  line.hex(reinterpret_cast<uint64_t>(info->si_addr)) << ", event " << control->events;
  fail(Verdict::broken, line.text);
}

void say_fault(int signal, const siginfo_t* info, greg_t ip) {
  Line line;
  line << "reprise-stage: the program faults: signal " << signal << " at ";
  line.hex(ip) << ", address ";
  line.hex(reinterpret_cast<uint64_t>(info->si_addr)) << ", event " << control->events << "\n";
  say(line.text);
}

// Returning executes the faulting instruction again, now without a handler: core dumps and
// debuggers see the fault itself. A trap does not repeat, so it is sent.
void die_of_fault(Thread& t, int signal) {
  finish(t, signal);
  if (signal == SIGTRAP) die_by_signal(signal);
  const Action by_default = {};
  raw(SYS_rt_sigaction, signal, &by_default, nullptr, 8);
  at_death();
}

}  // namespace

bool in_stage(greg_t ip) {
  auto* at = reinterpret_cast<const char*>(ip);
  return at >= __executable_start && at < etext;
}

void on_fault(int signal, siginfo_t* info, void* v) {
  Thread& t = self();
  auto* context = static_cast<ucontext_t*>(v);
  const greg_t ip = context->uc_mcontext.gregs[REG_RIP];
  const bool sent = info->si_code <= 0;
  if (sent && signal != SIGSYS) return live() ? on_signal(signal, info, v) : void();
  if (signal == SIGSEGV && preempt_halted(t, context)) return;
  if (in_stage(ip)) {
    if (!t.guard) stage_is_broken(signal, info, ip);
    return leave_guard(*t.guard, context);
  }
  if (signal == SIGTRAP && preempt_step(t, context)) return;
  if (emulate_instruction(t, signal, context)) return preempt_before_program(t);
  const bool caught = actions[signal].handler > 1 && !(t.mask & signal_bit(signal));
  if (caught) {
    preempt_faulted(context);
    return deliver(t, context, signal, *info);
  }
  if (option(tape::kVerbose)) say_fault(signal, info, ip);
  if (!live() && !t.vforked && peek()->kind != tape::kEnd) {
    diverge(t, signal, info, static_cast<uint64_t>(ip), peek());
  }
  die_of_fault(t, signal);
}

}  // namespace reprise::stage
