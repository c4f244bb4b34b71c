// Sets registers to patterns, calls, and says what is left of them: for tests/asm/switch_test.cc.
//
//   uint64_t callee_saved_lost(void (*fn)(void*), void* arg);   rdi, rsi; 0 if fn kept them all
//   void caller_saved_after(void (*fn)(void*), void* arg, struct CallerSaved* out);  rdi, rsi, rdx
//
// Saves and restores what the ABI preserves. CallerSaved: rcx rdx rsi rdi r8 r9 r10 r11, then 16
// bytes of each xmm.
#include "asm/macros.h"

FUNC callee_saved_lost
  SAVE_CALLEE
  movq %rdi, %rax
  movq %rsi, %rdi
  movabsq $0x1111111111111111, %rbx
  movabsq $0x2222222222222222, %r12
  movabsq $0x3333333333333333, %r13
  movabsq $0x4444444444444444, %r14
  movabsq $0x5555555555555555, %r15
  call *%rax
  xorl %eax, %eax
  movabsq $0x1111111111111111, %rcx
  xorq %rbx, %rcx
  orq %rcx, %rax
  movabsq $0x2222222222222222, %rcx
  xorq %r12, %rcx
  orq %rcx, %rax
  movabsq $0x3333333333333333, %rcx
  xorq %r13, %rcx
  orq %rcx, %rax
  movabsq $0x4444444444444444, %rcx
  xorq %r14, %rcx
  orq %rcx, %rax
  movabsq $0x5555555555555555, %rcx
  xorq %r15, %rcx
  orq %rcx, %rax
  RESTORE_CALLEE
  ret
END_FUNC callee_saved_lost

FUNC caller_saved_after
  SAVE_CALLEE
  movq %rdx, %rbx
  movq %rdi, %rax
  movq %rsi, %rdi
  movabsq $0x6666666666666666, %rcx
  movq %rcx, %rdx
  movq %rcx, %r8
  movq %rcx, %r9
  movq %rcx, %r10
  movq %rcx, %r11
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movq %rcx, %xmm\n
  punpcklqdq %xmm\n, %xmm\n
  .endr
  call *%rax
  movq %rcx, 0(%rbx)
  movq %rdx, 8(%rbx)
  movq %rsi, 16(%rbx)
  movq %rdi, 24(%rbx)
  movq %r8, 32(%rbx)
  movq %r9, 40(%rbx)
  movq %r10, 48(%rbx)
  movq %r11, 56(%rbx)
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  movdqu %xmm\n, (64+16*\n)(%rbx)
  .endr
  RESTORE_CALLEE
  ret
END_FUNC caller_saved_after

END_FILE
