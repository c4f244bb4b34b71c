// What the entries of stage::Table and rewritten calls do, on the call stack of their thread.
//
// Invariants: an entry finds the baton held and leaves it held; what it records is what a trap
// would have recorded. A signal that became due is delivered by a trap that the entry provokes:
// before the call (do_syscall answers kMustTrap) or after it (Gate::Leave::deliver), so that a
// program that calls without trapping sees its signals as early as one that traps.
#include "runtime/stage/gate.h"

#include <sys/mman.h>

#include "runtime/stage/call.h"
#include "runtime/stage/clocks.h"
#include "runtime/stage/events.h"
#include "runtime/stage/fork_server.h"
#include "runtime/stage/halt.h"
#include "runtime/stage/instructions.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/preempt_key.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/rewrite.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/thread.h"
#include "runtime/stage/watchdog.h"

extern "C" {
reprise::tape::Mode stage_entry_mode();
int64_t stage_entry_note(uint32_t kind, uint32_t check, int64_t value);
void stage_entry_note_bytes(uint32_t kind, uint32_t check, int64_t value, const void* bytes,
                            uint32_t size);
void stage_entry_counted(const reprise::stage::CountedCode* code);
void stage_entry_fork_point();
void stage_entry_simulated(const reprise::stage::SimulatedWorld* world);
void stage_entry_fail(reprise::tape::Verdict verdict, const char* message);
int64_t stage_entry_clock(int clock_id);
long stage_entry_syscall(long, long, long, long, long, long, long);
long stage_native_syscall(long, long, long, long, long, long, long);
void stage_hot_call();
void stage_hot_native();
}

namespace reprise::stage {
namespace {

Table& table() { return *reinterpret_cast<Table*>(table_address()); }

Gate::Leave leave_after_event(Thread& t) {
  preempt_before_program(t);
  return t.gate.leave = signal_due_after(t) ? Gate::Leave::deliver : Gate::Leave::back;
}

// ---- a child that left the tape ----
tape::Mode native_mode() { return Mode::off; }
int64_t native_note(uint32_t, uint32_t, int64_t value) { return value; }
void native_note_bytes(uint32_t, uint32_t, int64_t, const void*, uint32_t) {}
int64_t native_clock(int clock_id) { return real_clock(clock_id, true); }

}  // namespace

extern "C" tape::Mode stage_do_mode() { return mode; }

extern "C" int64_t stage_do_note(uint32_t kind, uint32_t check, int64_t value) {
  Thread& t = self();
  value = note(t, static_cast<uint16_t>(kind), check, value);
  preempt_before_program(t);
  return value;
}

extern "C" void stage_do_note_bytes(uint32_t kind, uint32_t check, int64_t value,
                                    const void* bytes, uint32_t size) {
  Thread& t = self();
  note_bytes(t, static_cast<uint16_t>(kind), check, value, bytes, size);
  preempt_before_program(t);
}

extern "C" int64_t stage_do_clock(int clock_id) {
  Thread& t = self();
  const int64_t now = live() ? real_clock(clock_id, counter_is_free(t)) : 0;
  const int64_t time = note(t, tape::kClock, static_cast<uint32_t>(clock_id), now);
  leave_after_event(t);
  return time;
}

extern "C" long stage_do_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
  Thread& t = self();
  Call call = {nr, {a0, a1, a2, a3, a4, a5}, nullptr, REPRISE_TRAP_CALL, t.gate.call_stack_top};
  const long result = do_syscall(t, call);
  if (result != kMustTrap) {
    leave_after_event(t);
    return result;
  }
  t.gate.leave = Gate::Leave::call;
  t.gate.args[0] = nr;
  for (int i = 0; i < 6; ++i) t.gate.args[i + 1] = call.args[i];
  return 0;
}

extern "C" void stage_do_fork_point() { fork_point(self()); }

extern "C" [[noreturn]] void stage_do_fail(Verdict verdict, const char* message) {
  fail(verdict, message);
}

extern "C" Gate::Leave stage_do_hot(HotFrame* frame) {
  Thread& t = self();
  Gate& gate = t.gate;
  gate.resume_rcx = frame->site->ip_after;
  gate.resume_r11 = frame->flags & ~kProgramFlags;  // as after a trap
  Call call = {frame->nr,
               {frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8, frame->r9},
               nullptr, frame->site->ip_after - 2, frame->user_sp};
  const long result = do_syscall(t, call);
  if (result == kMustTrap) {
    gate.leave = Gate::Leave::call;
  } else {
    frame->nr = result;
    leave_after_event(t);
  }
  // What leaves by the trap goes on behind the instruction; resume_address() does the rest.
  if (gate.leave != Gate::Leave::back) gate.resume_ip = frame->site->ip_after;
  return gate.leave;
}

bool leave_by_trap(Thread& t, ucontext_t* context) {
  const Gate& gate = t.gate;
  greg_t* regs = context->uc_mcontext.gregs;
  regs[REG_RIP] = static_cast<greg_t>(gate.resume_ip);
  regs[REG_RCX] = static_cast<greg_t>(gate.resume_rcx);
  regs[REG_R11] = static_cast<greg_t>(gate.resume_r11);
  return gate.leave == Gate::Leave::deliver;
}

void prepare_gate(Thread& t, uint64_t call_stack_top) {
  t.gate = {.thread = &t,
            .call_stack_top = call_stack_top,
            .clock = stage_entry_clock,
            .syscall = stage_entry_syscall,
            .hot = stage_hot_call};
}

void shut_gate(Thread& t) {
  t.gate.clock = native_clock;
  t.gate.syscall = stage_native_syscall;
  t.gate.hot = stage_hot_native;
  table().mode = native_mode;
  table().note = native_note;
  table().note_bytes = native_note_bytes;
  table().clock = native_clock;
  table().syscall = stage_native_syscall;
}

bool make_table() {
  const long at = raw(SYS_mmap, table_address(), kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != static_cast<long>(table_address())) return false;
  table() = {.abi_version = kAbiVersion,
             .bytes = sizeof(Table),
             .control = control,
             .mode = stage_entry_mode,
             .syscall = stage_entry_syscall,
             .note = stage_entry_note,
             .note_bytes = stage_entry_note_bytes,
             .clock = stage_entry_clock,
             .runnable = &runnable_goroutines,
             .goroutines = &goroutines,
             .fail = stage_entry_fail,
             .counted = stage_entry_counted,
             .fork_point = stage_entry_fork_point,
             .forks = fork_server_wanted() ? &control->forks : nullptr,
             .simulated = stage_entry_simulated};
  return true;
}

}  // namespace reprise::stage
