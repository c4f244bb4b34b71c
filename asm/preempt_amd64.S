// asyncPreempt: gives way at an instruction that made no call.
//
//   void reprise_async_preempt();      entered by a pushed call (preempt.h), never called
//   void reprise_simulated_call();     the same, in place of a system call instruction
//   void reprise_probe_xsave();        by rt0_go's probe; destroys what a call may
//
// At the entry (%rsp) is the interrupted instruction, PREEMPT_RED_ZONE bytes below the interrupted
// stack pointer. Saved and restored: all general registers, the flags, and by XSAVE all vector, mask
// and x87 state with their control words. Not saved: AMX tiles and protection keys (preempt.h); fs and
// gs are the thread's. errno and the exception globals are the scheduler's to swap.
//
// The first instructions leave the flags alone until they are pushed. Call frame information says the
// caller is the interrupted function, marked as a signal's: its address is no return address. rbp is
// a frame pointer, so readers that follow those come through too.
//
// In controlled runs (reprise_clear_level) the area is cleared first and every component said to be in use after: XSAVE
// leaves out components in their initial state, and what the stack held there before would be kept or not as the
// processor likes. Which those are is not the program's doing: registers that are all zero are in their initial state from
// the next interruption by the kernel on. Cleared memory is that state, but for the x87 control word.
#include "asm/context.h"
#include "asm/macros.h"
#include "asm/preempt.h"

#define XSAVE_HEADER 512
#define XSAVE_HEADER_BYTES 64
#define INITIAL_X87_CONTROL 0x37f
#define GENERAL_BYTES (14 * 8)
#define ENTRY_CFA (PREEMPT_RED_ZONE + 8)
#define FRAME_CFA (ENTRY_CFA + 8)

.macro SAVE_GENERAL at, register, others:vararg
  pushq %\register
  .cfi_offset %\register, -\at
  .ifnb \others
  SAVE_GENERAL (\at + 8), \others
  .endif
.endm

// All components of reprise_xsave_mask, or what FXSAVE knows, at (%rsp). Destroys rax and rdx.
.macro XSTATE with_xsave, without
  xorl %edx, %edx
  movl reprise_xsave_mask(%rip), %eax
  testl %eax, %eax
  jz 771f
  \with_xsave (%rsp)
  jmp 772f
771:
  \without (%rsp)
772:
.endm

// Everything is saved, target(frame) is called, everything is restored: frame[0] is the saved rbp, and below
// it lie the flags, rax, rcx, rdx, rbx, rsi, rdi and r8 to r15.
.macro PUSHED_CALL name, target
FUNC \name
  .cfi_signal_frame
  .cfi_def_cfa %rsp, ENTRY_CFA
  .cfi_offset %rip, -ENTRY_CFA
  pushq %rbp
  .cfi_def_cfa_offset FRAME_CFA
  .cfi_offset %rbp, -FRAME_CFA
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  pushfq
  cld
  SAVE_GENERAL (FRAME_CFA + 16), rax, rcx, rdx, rbx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15

  subq reprise_xsave_bytes(%rip), %rsp
  andq $-64, %rsp
  xorl %eax, %eax
  leaq XSAVE_HEADER(%rsp), %rdi
  movl $(XSAVE_HEADER_BYTES / 8), %ecx
  cmpl $0, reprise_clear_level(%rip)
  je 1f
  movq %rsp, %rdi
  movq reprise_xsave_bytes(%rip), %rcx
  shrq $3, %rcx
1:
  movq %rax, (%rdi)
  addq $8, %rdi
  decq %rcx
  jnz 1b
  XSTATE xsave64, fxsave64
  movl reprise_xsave_mask(%rip), %eax
  cmpl $0, reprise_clear_level(%rip)
  je 4f
  testl %eax, %eax
  jz 4f
  testb $1, XSAVE_HEADER(%rsp)
  jnz 3f
  movw $INITIAL_X87_CONTROL, (%rsp)
3:
  movq %rax, XSAVE_HEADER(%rsp)
4:

  // As the ABI has it at a call. The x87 registers may be in use as MMX registers.
  fninit
  ldmxcsr default_mxcsr(%rip)
  cmpl $0, reprise_vector_level(%rip)
  je 2f
  vzeroupper
2:
  movq %rbp, %rdi
  call \target

  XSTATE xrstor64, fxrstor64
  leaq -(8 + GENERAL_BYTES)(%rbp), %rsp
  .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbx, rdx, rcx, rax
  popq %\register
  .cfi_restore %\register
  .endr
  popfq
  popq %rbp
  .cfi_restore %rbp
  .cfi_def_cfa %rsp, ENTRY_CFA
  ret $PREEMPT_RED_ZONE
END_FUNC \name
.endm

PUSHED_CALL reprise_async_preempt, reprise_async_preempt2
PUSHED_CALL reprise_simulated_call, reprise_simulated_call2

FUNC reprise_probe_xsave
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_offset %rbx, -16
  movl $1, %eax
  cpuid
  testl $0x8000000, %ecx          // OSXSAVE
  jz 3f
  xorl %ecx, %ecx
  xgetbv
  andl $PREEMPT_XSAVE_COMPONENTS, %eax
  movl %eax, reprise_xsave_mask(%rip)
  movl %eax, %r8d
  movl $(XSAVE_HEADER + XSAVE_HEADER_BYTES), %edi
  movl $2, %esi
1:
  btl %esi, %r8d
  jnc 2f
  movl $0xd, %eax
  movl %esi, %ecx
  cpuid                           // eax: size, ebx: offset in the standard format
  addl %ebx, %eax
  cmpl %edi, %eax
  cmoval %eax, %edi
2:
  incl %esi
  cmpl $32, %esi
  jb 1b
  addl $63, %edi
  andl $-64, %edi
  movq %rdi, reprise_xsave_bytes(%rip)
3:
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  ret
END_FUNC reprise_probe_xsave

  .section .rodata
  .p2align 2
default_mxcsr:
  .long 0x1f80

  .data
  .p2align 3
  .globl reprise_xsave_bytes
  .hidden reprise_xsave_bytes
  .type reprise_xsave_bytes, @object
  .size reprise_xsave_bytes, 8
reprise_xsave_bytes:
  .quad XSAVE_HEADER + XSAVE_HEADER_BYTES
  .globl reprise_xsave_mask
  .hidden reprise_xsave_mask
  .type reprise_xsave_mask, @object
  .size reprise_xsave_mask, 4
reprise_xsave_mask:
  .long 0

END_FILE
