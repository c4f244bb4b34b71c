// The gate: how code of the program enters the stage without a trap.
//
// Every thread of the program has a gate, at the start of its thread block; the gs base points at
// it from the thread's arming on (the program's own ARCH_SET_GS is refused). Entries of
// stage::Table (table_amd64.S) find it there, move to the thread's call stack, run the
// implementation and come back with the caller-saved general registers cleared. A system call
// instruction that was rewritten (rewrite.h) comes in by stage_hot_call (hot_amd64.S), with the
// register contract of the instruction itself.
//
// The call stack is not the signal stack: an asynchronous signal that lands while an entry runs
// must find the signal stack free.
//
// A forked child that left the tape keeps the text that was rewritten and the vdso, but its threads
// share one gate: shut_gate() makes every way in lead straight to the kernel, on the caller's own
// stack.
//
// Thread safety: a gate belongs to its thread. Ownership: it is part of the thread block.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>

#include "runtime/stage/abi.h"
#include "runtime/stage/gate_offsets.h"

namespace reprise::stage {

struct Thread;
struct Site;

struct Gate {
  Thread* thread;
  uint64_t call_stack_top;
  uint64_t user_sp;  // between two instructions of stage_hot_call
  int64_t (*clock)(int clock_id);
  long (*syscall)(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
  void (*hot)();

  // How the entry that is running ends, and with what the program goes on.
  enum class Leave : uint64_t {
    back = REPRISE_LEAVE_RETURN,
    deliver = REPRISE_LEAVE_DELIVER,
    call = REPRISE_LEAVE_CALL,
  };
  Leave leave;
  uint64_t resume_ip, resume_rcx, resume_r11;
  long args[7];
};
static_assert(offsetof(Gate, thread) == REPRISE_GATE_THREAD);
static_assert(offsetof(Gate, call_stack_top) == REPRISE_GATE_CALL_STACK);
static_assert(offsetof(Gate, user_sp) == REPRISE_GATE_USER_SP);
static_assert(offsetof(Gate, clock) == REPRISE_GATE_CLOCK);
static_assert(offsetof(Gate, syscall) == REPRISE_GATE_SYSCALL);
static_assert(offsetof(Gate, hot) == REPRISE_GATE_HOT);
static_assert(offsetof(Gate, leave) == REPRISE_GATE_LEAVE);
static_assert(offsetof(Gate, resume_ip) == REPRISE_GATE_RESUME_IP);
static_assert(offsetof(Gate, resume_rcx) == REPRISE_GATE_RESUME_RCX);
static_assert(offsetof(Gate, resume_r11) == REPRISE_GATE_RESUME_R11);
static_assert(offsetof(Gate, args) == REPRISE_GATE_ARGS);

// The stack of a rewritten call as hot_amd64.S lays it out.
struct HotFrame {
  long nr;  // then the result
  long rdi, rsi, rdx, r10, r8, r9;
  const Site* site;
  uint64_t flags;
  uint64_t user_sp;
};

// Fills the gate of a new thread, whose arming points the gs base there.
void prepare_gate(Thread& t, uint64_t call_stack_top);
// A forked child that left the tape: every way in leads to the kernel.
void shut_gate(Thread& t);

// Makes the table, at an address that recordings know (kAuxTable). False: the place is taken.
bool make_table();
inline uint64_t table_address() { return REPRISE_TABLE; }

// A trap whose next instruction is `ip`: true if it is the trap instruction by which an entry
// ended. Then leave_by_trap() puts the registers as the program is to find them, and says whether
// only a signal is to be delivered (after a call that is done), or else a call is to be performed.
inline bool is_gate_trap(uint64_t ip) { return ip == REPRISE_TRAP_GATE + 2; }
bool leave_by_trap(Thread& t, ucontext_t* context);

}  // namespace reprise::stage
