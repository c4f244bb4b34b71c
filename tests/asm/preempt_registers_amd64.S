// Loads every register, is preempted at an instruction, and notes what is in them then: for
// tests/asm/async_preempt_test.cc.
//
//   void preempted_at_trap(const struct RegisterImage* in, struct RegisterImage* out);   rdi, rsi
//   void clobber_registers();
//
// preempted_at_trap executes int3, whose handler injects asyncPreempt after it. Between the loads and
// the stores nothing runs that would change a register or a flag, and the red zone holds `in->red`.
// clobber_registers sets whatever the ABI allows it to, in all vector registers that there are.
// RegisterImage: 15 general ones in the order below, flags, rsp, 16 words of red zone, then the image of
// XSAVE at 512.
#include "asm/macros.h"

#define FLAGS (15 * 8)
#define STACK (16 * 8)
#define RED (17 * 8)
#define XSTATE_IMAGE 512

FUNC preempted_at_trap
  SAVE_CALLEE
  movq %rsi, out_pointer(%rip)
  movq %rdi, %rbx
  xorl %edx, %edx
  movl reprise_xsave_mask(%rip), %eax
  testl %eax, %eax
  jz 1f
  xrstor64 XSTATE_IMAGE(%rbx)
  jmp 2f
1:
  fxrstor64 XSTATE_IMAGE(%rbx)
2:
  pushq FLAGS(%rbx)
  .cfi_adjust_cfa_offset 8
  popfq
  .cfi_adjust_cfa_offset -8
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movq (RED + 8*\n)(%rbx), %rax
  movq %rax, (-8 - 8*\n)(%rsp)
  .endr
  movq 0(%rbx), %rax
  movq 16(%rbx), %rcx
  movq 24(%rbx), %rdx
  movq 32(%rbx), %rsi
  movq 40(%rbx), %rdi
  movq 48(%rbx), %rbp
  movq 56(%rbx), %r8
  movq 64(%rbx), %r9
  movq 72(%rbx), %r10
  movq 80(%rbx), %r11
  movq 88(%rbx), %r12
  movq 96(%rbx), %r13
  movq 104(%rbx), %r14
  movq 112(%rbx), %r15
  movq 8(%rbx), %rbx
  int3
  movq %rax, saved_rax(%rip)
  movq out_pointer(%rip), %rax
  movq %rbx, 8(%rax)
  movq %rcx, 16(%rax)
  movq %rdx, 24(%rax)
  movq %rsi, 32(%rax)
  movq %rdi, 40(%rax)
  movq %rbp, 48(%rax)
  movq %r8, 56(%rax)
  movq %r9, 64(%rax)
  movq %r10, 72(%rax)
  movq %r11, 80(%rax)
  movq %r12, 88(%rax)
  movq %r13, 96(%rax)
  movq %r14, 104(%rax)
  movq %r15, 112(%rax)
  movq %rsp, STACK(%rax)
  movq saved_rax(%rip), %rcx
  movq %rcx, 0(%rax)
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movq (-8 - 8*\n)(%rsp), %rcx
  movq %rcx, (RED + 8*\n)(%rax)
  .endr
  pushfq
  .cfi_adjust_cfa_offset 8
  popq FLAGS(%rax)
  .cfi_adjust_cfa_offset -8
  cld
  movq %rax, %rbx
  xorl %edx, %edx
  movl reprise_xsave_mask(%rip), %eax
  testl %eax, %eax
  jz 3f
  xsave64 XSTATE_IMAGE(%rbx)
  jmp 4f
3:
  fxsave64 XSTATE_IMAGE(%rbx)
4:
  fninit
  RESTORE_CALLEE
  ret
END_FUNC preempted_at_trap

FUNC clobber_registers
  movabsq $0x5a5a5a5a5a5a5a5a, %rax
  movq %rax, %rcx
  movq %rax, %rdx
  movq %rax, %rsi
  movq %rax, %rdi
  movq %rax, %r8
  movq %rax, %r9
  movq %rax, %r10
  movq %rax, %r11
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movq %rax, %xmm\n
  .endr
  movl reprise_vector_level(%rip), %eax
  cmpl $1, %eax
  jb 1f
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  vinsertf128 $1, %xmm\n, %ymm\n, %ymm\n
  .endr
  je 1f
  .irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vpbroadcastq %rcx, %zmm\n
  .endr
  .irp n, 0,1,2,3,4,5,6,7
  kmovw %ecx, %k\n
  .endr
1:
  fld1
  fldpi
  fstp %st(0)
  fstp %st(0)
  ret
END_FUNC clobber_registers

  .bss
  .p2align 3
out_pointer:
  .zero 8
saved_rax:
  .zero 8

END_FILE
