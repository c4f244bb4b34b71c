// The slow path of a tick whose counter expired.
//
//   reprise_tick_slow          not a C function: rax = where to go on, the program's rax in TICK_RAX
//
// Reached by a jump from a site's stub (tick_page.h). Saved, on the tick stack: every general register
// and the whole vector state that XCR0 lists but AMX's tiles, which a goroutine may not keep in use at
// a tick. Flags are dead here. Not a byte is written to the program's stack until the answer is to
// preempt: an expired counter that changes nothing must leave no trace, since it happens in a recording
// and not in its replay.
//
//   int reprise_tick_expired(sp)   decides; 0 goes on, else preempts
//
// A goroutine that is switched out is, from then on, one that was interrupted after the site's `js`: its
// address is pushed below the red zone and asyncPreempt runs as if called from there (preempt.h).
#include "asm/context.h"
#include "asm/macros.h"
#include "asm/preempt.h"
#include "asm/tick_page.h"

#define TICK_FRAME_BYTES 136
#define TICK_FRAME_SP    128

// \with_xsave or, without XSAVE, \without at (%rdi), of the components that are saved. Destroys rax, rdx.
.macro VECTORS with_xsave, without
  movl reprise_cpuid + 12(%rip), %eax
  andl $~(3 << 17), %eax
  xorl %edx, %edx
  testl %eax, %eax
  jz 774f
  \with_xsave (%rdi)
  jmp 775f
774:
  \without (%rdi)
775:
.endm

FUNC reprise_tick_slow
  .cfi_signal_frame
  movq %rsp, TICK_RSP
  movq TICK_STACK, %rsp
  pushq TICK_RSP
  pushq %rax
  pushq TICK_RAX
  .irp r, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
  pushq %\r
  .endr
  movq %rsp, %rbp
  .cfi_def_cfa %rbp, TICK_FRAME_BYTES
  .cfi_offset %rsp, -8
  .cfi_offset %rip, -16
  .cfi_offset %rbx, -32
  .cfi_offset %rbp, -72
  .cfi_offset %r12, -112
  .cfi_offset %r13, -120
  .cfi_offset %r14, -128
  .cfi_offset %r15, -136
  cld
  movl reprise_tick_vector_bytes(%rip), %eax
  subq %rax, %rsp
  andq $-64, %rsp
  movq %rsp, %rdi
  .irp at, 512, 520, 528, 536, 544, 552, 560, 568
  movq $0, \at(%rdi)
  .endr
  VECTORS xsave64, fxsave64
  movq TICK_FRAME_SP(%rbp), %rdi
  call reprise_tick_expired
  movl %eax, %r12d
  movl reprise_tick_vector_bytes(%rip), %eax
  movq %rbp, %rdi
  subq %rax, %rdi
  andq $-64, %rdi
  VECTORS xrstor64, fxrstor64
  movq %rbp, %rsp
  .cfi_def_cfa %rsp, TICK_FRAME_BYTES
  testl %r12d, %r12d
  .irp r, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx
  popq %\r
  .cfi_adjust_cfa_offset -8
  .endr
  popq TICK_RAX
  .cfi_adjust_cfa_offset -8
  popq TICK_RESUME
  .cfi_adjust_cfa_offset -8
  movq TICK_RAX, %rax
  .cfi_undefined %rip
  movq (%rsp), %rsp
  jnz 1f
  jmp *TICK_RESUME
1:
  leaq -PREEMPT_RED_ZONE(%rsp), %rsp
  pushq TICK_RESUME
  jmp reprise_async_preempt
END_FUNC reprise_tick_slow

END_FILE
