// Macros of the assembly files: symbols, the thread-local g, saved and cleared registers.
#pragma once

#ifdef __ASSEMBLER__

// Opens a global function: type, visibility, alignment, landing pad, call frame information.
.macro FUNC name
  .text
  .p2align 4
  .globl \name
  .hidden \name
  .type \name, @function
\name:
  .cfi_startproc
  endbr64
.endm

.macro END_FUNC name
  .cfi_endproc
  .size \name, . - \name
.endm

// Every file ends with this: no executable stack.
.macro END_FILE
  .section .note.GNU-stack, "", @progbits
.endm

// \offset = the offset of reprise_tls_g from fs, for use as %fs:(\offset).
.macro TLS_G offset
  movq reprise_tls_g@GOTTPOFF(%rip), \offset
.endm

// Goes on with the goroutine in rax, where its context was saved or at its start. On g0, where the call frame information says
// that no frame is above.
.macro GO_ON
  movq %rax, %r14
  TLS_G %rcx
  movq %r14, %fs:(%rcx)
  movq GOBUF_SP(%r14), %rsp
  movq GOBUF_BP(%r14), %rbp
  jmp *GOBUF_PC(%r14)
.endm

// Pushes everything that the ABI preserves. Leaves rbp at the frame, the return address at
// 8(%rbp), the control words at (%rsp): mxcsr, then the x87 word.
.macro SAVE_CALLEE
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  pushq %rbx
  .cfi_offset %rbx, -24
  pushq %r12
  .cfi_offset %r12, -32
  pushq %r13
  .cfi_offset %r13, -40
  pushq %r14
  .cfi_offset %r14, -48
  pushq %r15
  .cfi_offset %r15, -56
  subq $8, %rsp
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  .cfi_def_cfa %rsp, 64
.endm

.macro RESTORE_CALLEE
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  popq %r15
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r15
  popq %r14
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r14
  popq %r13
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r13
  popq %r12
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r12
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
.endm

// Clears what the ABI lets a call destroy, so that what ran on g0 leaves no trace on the goroutine, in controlled runs
// (reprise_clear_level): the general registers and the flags, and the vector registers as far as the processor has them. A
// program started directly has nothing to hide.
.macro CLEAR_CALLER_SAVED
  movl reprise_clear_level(%rip), %eax
  testl %eax, %eax
  jz 773f
  cmpl $2, %eax
  jb 771f
  vzeroall
  je 772f
  .irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vpxorq %zmm\n, %zmm\n, %zmm\n
  .endr
  .irp n, 0,1,2,3,4,5,6,7
  kxorw %k\n, %k\n, %k\n
  .endr
  jmp 772f
771:
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  pxor %xmm\n, %xmm\n
  .endr
772:
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  xorl %eax, %eax
773:
.endm

#endif  // __ASSEMBLER__
