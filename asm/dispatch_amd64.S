// System calls while the kernel dispatches them to us (PR_SET_SYSCALL_USER_DISPATCH): the one stretch of
// text from reprise_dispatch_begin to reprise_dispatch_end from which they reach the kernel.
//
//   long reprise_dispatch_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5);
//   void reprise_dispatch_restorer();   the end of a signal handler; rsp at the kernel's frame
//
// In and out: System V; the result in rax, -errno. Not saved: what a call may destroy. The restorer is jumped
// to by the return of a handler, and has no caller.
#include "asm/macros.h"

  .text
  .p2align 4
  .globl reprise_dispatch_begin
  .hidden reprise_dispatch_begin
reprise_dispatch_begin:

FUNC reprise_dispatch_syscall
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  ret
END_FUNC reprise_dispatch_syscall

FUNC reprise_dispatch_restorer
  .cfi_undefined rip
  movl $15, %eax
  syscall
  ud2
END_FUNC reprise_dispatch_restorer

  .globl reprise_dispatch_end
  .hidden reprise_dispatch_end
reprise_dispatch_end:

END_FILE
