// Where a rewritten system call instruction leads (rewrite.h).
//
// Jumped to by a site's trampoline. The contract is the instruction's own:
//
// In:        rax number; rdi rsi rdx r10 r8 r9 arguments; r11 the site (in place of the flags,
//            which the instruction would put there); gs base at the thread's gate
// Out:       rax result; rcx the address after the instruction; r11 the flags; all else, flags
//            included, as it was
// Not saved: vector state, as in table_amd64.S; rbx rbp r12-r15 are saved by the C++ code
//
// The program's stack is not written, so its red zone needs no stepping over: the stack pointer
// waits in the gate until there is a stack to push it on.
//
// CFI: the program's frame begins at the stack pointer that was pushed; its instruction is the
// site's, both found by expressions, because they lie on another stack.

#include "asm/macros.h"
#include "runtime/stage/gate_offsets.h"

// uint32_t stage_do_hot(HotFrame*) decides how to leave.
FUNC stage_hot_call
  .cfi_undefined rip
  movq %rsp, %gs:REPRISE_GATE_USER_SP
  movq %gs:REPRISE_GATE_CALL_STACK, %rsp
  pushq %gs:REPRISE_GATE_USER_SP
  pushfq
  pushq %r11
  pushq %r9
  pushq %r8
  pushq %r10
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %rax
  movq REPRISE_SITE_RESUME(%r11), %rcx
  movq %rcx, %gs:REPRISE_GATE_RESUME_IP
  // DW_CFA_def_cfa_expression: breg7(rsp) 72, deref. DW_CFA_expression rip: the word
  // that r11 points at, where the program goes on: breg7 56, deref.
  .cfi_escape 0x0f, 4, 0x77, 0xc8, 0x00, 0x06
  .cfi_escape 0x10, 16, 3, 0x77, 56, 0x06
  movq %rsp, %rdi
  cld
  call stage_do_hot
  cmpl $REPRISE_LEAVE_RETURN, %eax
  popq %rax
  popq %rdi
  popq %rsi
  popq %rdx
  popq %r10
  popq %r8
  popq %r9
  popq %r11
  .cfi_undefined rip
  jne 1f
  popfq
  popq %rsp
  movq %gs:REPRISE_GATE_RESUME_RCX, %rcx
  movq %gs:REPRISE_GATE_RESUME_R11, %r11
  jmp *%gs:REPRISE_GATE_RESUME_IP
1:
  popfq
  popq %rsp
  movabsq $REPRISE_TRAP_GATE, %rcx
  jmp *%rcx
END_FUNC stage_hot_call

// The same in a forked child, which has left the tape: the kernel itself answers, on the caller's
// stack below its red zone, because threads of the child share one gate. rcx is lost.
FUNC stage_hot_native
  leaq -128(%rsp), %rsp
  .cfi_undefined rip
  pushq %r11
  syscall
  popq %rcx
  leaq 128(%rsp), %rsp
  jmp *REPRISE_SITE_RESUME(%rcx)
END_FUNC stage_hot_native

// int64_t stage_native_clock(int) and long stage_native_syscall(...): Table::clock and
// Table::syscall of such a child, on the caller's stack for the same reason.
FUNC stage_native_syscall
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  ret
END_FUNC stage_native_syscall

END_FILE
