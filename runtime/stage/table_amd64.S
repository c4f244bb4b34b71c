// The entries of stage::Table: from any stack of the program into the stage and back.
//
//   R stage_entry_NAME(args...)          System V convention, at most seven integer arguments
//
// In:        arguments as in any call; gs base at the thread's gate (gate.h)
// Out:       rax
// Saved:     rbx rbp rsp r12-r15, by the implementations' prologues and the frame made here
// Cleared:   rcx rdx rsi rdi r8-r11: what the stage does differently in record and in replay must
//            leave nothing in a register; what it leaves on a stack is on the call stack, which is
//            not the program's
// Not saved: vector, x87 and mask state, because nothing touches it: the whole stage is built with
//            -mgeneral-regs-only, its own system calls preserve it, and the kernel's vdso, which it
//            asks for the real clock, is built without vector registers too. Hence no vzeroupper.
//            Flags: the arithmetic ones are dead after a call by convention.
//
// CFI: the frame is found through rbp, so that unwinding crosses the change of stacks.
//
// An implementation that finds a signal due says so in Gate::leave. Then the entry does not return
// but jumps to the trap instruction, in exactly the state that follows the return.

#include "asm/macros.h"
#include "runtime/stage/gate_offsets.h"

.macro ENTER_CALL_STACK
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  movq %gs:REPRISE_GATE_CALL_STACK, %rsp
.endm

.macro LEAVE_CALL_STACK
  movq %rbp, %rsp
  popq %rbp
  .cfi_def_cfa %rsp, 8
  .cfi_restore %rbp
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
.endm

// An entry after which the caller simply goes on.
.macro PLAIN_ENTRY name
  FUNC stage_entry_\name
  ENTER_CALL_STACK
  call stage_do_\name
  LEAVE_CALL_STACK
  ret
  END_FUNC stage_entry_\name
.endm

PLAIN_ENTRY mode
PLAIN_ENTRY note
PLAIN_ENTRY note_bytes
PLAIN_ENTRY counted
PLAIN_ENTRY fork_point
PLAIN_ENTRY simulated
PLAIN_ENTRY fail

// int64_t stage_entry_clock(int clock_id)
FUNC stage_entry_clock
  ENTER_CALL_STACK
  call stage_do_clock
  LEAVE_CALL_STACK
  cmpl $REPRISE_LEAVE_RETURN, %gs:REPRISE_GATE_LEAVE
  jne stage_entry_deliver
  ret
END_FUNC stage_entry_clock

// long stage_entry_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
FUNC stage_entry_syscall
  ENTER_CALL_STACK
  subq $8, %rsp
  pushq 16(%rbp)
  call stage_do_syscall
  LEAVE_CALL_STACK
  cmpl $REPRISE_LEAVE_DELIVER, %gs:REPRISE_GATE_LEAVE
  je stage_entry_deliver
  ja 1f
  ret
  // Left to the trap, with the registers of the instruction: the caller returns from there.
1:
  movq %gs:REPRISE_GATE_ARGS + 0, %rax
  movq %gs:REPRISE_GATE_ARGS + 8, %rdi
  movq %gs:REPRISE_GATE_ARGS + 16, %rsi
  movq %gs:REPRISE_GATE_ARGS + 24, %rdx
  movq %gs:REPRISE_GATE_ARGS + 32, %r10
  movq %gs:REPRISE_GATE_ARGS + 40, %r8
  movq %gs:REPRISE_GATE_ARGS + 48, %r9
  movabsq $REPRISE_TRAP_CALL, %r11
  jmp *%r11
END_FUNC stage_entry_syscall

// Jumped to in place of the return of an entry: the return address becomes the instruction that
// the signal interrupts.
FUNC stage_entry_deliver
  popq %gs:REPRISE_GATE_RESUME_IP
  .cfi_adjust_cfa_offset -8
  movq $0, %gs:REPRISE_GATE_RESUME_RCX
  movq $0, %gs:REPRISE_GATE_RESUME_R11
  movabsq $REPRISE_TRAP_GATE, %r11
  jmp *%r11
END_FUNC stage_entry_deliver

END_FILE
