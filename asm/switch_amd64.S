// Switches between a goroutine's stack and g0's: mcall, systemstack, gosave.
//
//   void reprise_mcall(G* (*fn)(G*));                         rdi
//   void reprise_systemstack(void (*fn)(void*), void* arg);   rdi, rsi
//   void reprise_gosave(Gobuf* buf);                          rdi
//
// Saved: rbx, rbp, r12 to r15, mxcsr and the x87 control word, on the goroutine's own stack, where
// call frame information finds them. Not saved: everything that the ABI lets a call destroy; a
// goroutine only ever switches inside a call. The caller-saved registers are cleared instead when
// the goroutine goes on (macros.h). errno and the C++ exception globals are the scheduler's to
// swap. The signal mask is the thread's and does not move.
//
// On the way r14 holds g, as the reference has it; compiled code keeps its own value in it, which
// is saved and restored with the rest.
//
// fn returns whom to go on with, so that every call on g0 has its return: the processor predicts returns by a stack of its own,
// and after a switch it finds there the callers of whoever stopped, who mostly called from the same places as who goes on.
#include "asm/context.h"
#include "asm/macros.h"

FUNC reprise_mcall
  SAVE_CALLEE
  TLS_G %rcx
  movq %fs:(%rcx), %rax
  movq G_M(%rax), %rdx
  movq M_G0(%rdx), %r14
  cmpq %rax, %r14
  je 2f
  leaq 1f(%rip), %rdx
  movq %rsp, GOBUF_SP(%rax)
  movq %rdx, GOBUF_PC(%rax)
  movq %rbp, GOBUF_BP(%rax)
  movq %r14, %fs:(%rcx)
  movq %rdi, %rdx
  movq %rax, %rdi
  movq GOBUF_SP(%r14), %rsp
  // On g0. Its frames end here: what is below belongs to whoever called the scheduler before.
  .cfi_remember_state
  .cfi_undefined %rip
  xorl %ebp, %ebp
  call *%rdx
  GO_ON
  .cfi_restore_state
1:
  endbr64
  CLEAR_CALLER_SAVED
  RESTORE_CALLEE
  ret
2:
  // On g0 already: the caller broke the contract, and there is nobody to return to.
  .cfi_def_cfa %rsp, 64
  .cfi_offset %rbp, -16
  ud2
END_FUNC reprise_mcall

// The frame is found through rbp, which fn preserves, so that an unwinder walks from g0 back to the
// goroutine. Marked as a signal frame because the stacks are not nested: debuggers check otherwise.
FUNC reprise_systemstack
  .cfi_signal_frame
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  pushq %rbx
  .cfi_offset %rbx, -24
  subq $8, %rsp
  movq %rdi, %rdx
  movq %rsi, %rdi
  TLS_G %rcx
  movq %fs:(%rcx), %rbx
  movq G_M(%rbx), %rax
  movq M_G0(%rax), %rax
  cmpq %rax, %rbx
  je 2f
  leaq 1f(%rip), %rsi
  movq %rsp, GOBUF_SP(%rbx)
  movq %rsi, GOBUF_PC(%rbx)
  movq %rbp, GOBUF_BP(%rbx)
  movq %rax, %fs:(%rcx)
  movq GOBUF_SP(%rax), %rsp
  call *%rdx
1:
  TLS_G %rcx
  movq %rbx, %fs:(%rcx)
  leaq -16(%rbp), %rsp
  CLEAR_CALLER_SAVED
  addq $8, %rsp
  popq %rbx
  popq %rbp
  .cfi_remember_state
  .cfi_def_cfa %rsp, 8
  .cfi_restore %rbx
  .cfi_restore %rbp
  ret
  .cfi_restore_state
2:
  call *%rdx
  addq $8, %rsp
  popq %rbx
  popq %rbp
  .cfi_def_cfa %rsp, 8
  .cfi_restore %rbx
  .cfi_restore %rbp
  ret
END_FUNC reprise_systemstack

FUNC reprise_gosave
  movq (%rsp), %rax
  leaq 8(%rsp), %rcx
  movq %rcx, GOBUF_SP(%rdi)
  movq %rax, GOBUF_PC(%rdi)
  movq %rbp, GOBUF_BP(%rdi)
  ret
END_FUNC reprise_gosave

  .section .tbss, "awT", @nobits
  .globl reprise_tls_g
  .hidden reprise_tls_g
  .type reprise_tls_g, @object
  .size reprise_tls_g, 8
  .p2align 3
reprise_tls_g:
  .zero 8

END_FILE
