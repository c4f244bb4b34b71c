// The slow path of a tick whose counter expired.
//
//   reprise_tick_slow          not a C function: rax = where to go on, the program's rax in TICK_RAX
//   void reprise_tick_preempt()   the same place, once it is decided that the goroutine is switched out
//
// Reached by a jump from a site's stub (tick_page.h). Saved, on the tick stack: every general register
// and the whole vector state that XCR0 lists but AMX's tiles, which a goroutine may not keep in use at
// a tick. Flags are dead here. Not a byte is written to the program's stack until the answer is to
// preempt: an expired counter that changes nothing must leave no trace, since it happens in a recording
// and not in its replay.
//
//   int reprise_tick_expired(TickFrame*)   decides; 0 goes on, else preempts
//
// A goroutine that is switched out is, from then on, one that was interrupted after the site's `js`: its
// address is pushed below the red zone and reprise_tick_yield runs as if called from there.
#include "asm/context.h"
#include "asm/macros.h"
#include "asm/tick_page.h"

#define TICK_FRAME_BYTES 136

// Without XSAVE: the 512 bytes of FXSAVE.
.macro VECTOR_MASK
  movl reprise_cpuid + 12(%rip), %eax
  andl $~(3 << 17), %eax
  xorl %edx, %edx
.endm

// rdi = 64-byte aligned area. Destroys rax, rdx.
.macro SAVE_VECTOR
  VECTOR_MASK
  testl %eax, %eax
  jz 774f
  .irp at, 512, 520, 528, 536, 544, 552, 560, 568
  movq $0, \at(%rdi)
  .endr
  xsave64 (%rdi)
  jmp 775f
774:
  fxsave64 (%rdi)
775:
.endm

.macro RESTORE_VECTOR
  VECTOR_MASK
  testl %eax, %eax
  jz 776f
  xrstor64 (%rdi)
  jmp 777f
776:
  fxrstor64 (%rdi)
777:
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
  SAVE_VECTOR
  movq %rbp, %rdi
  movq %rsp, %rsi
  call reprise_tick_expired
  movl %eax, %r12d
  movl reprise_tick_vector_bytes(%rip), %eax
  movq %rbp, %rdi
  subq %rax, %rdi
  andq $-64, %rdi
  RESTORE_VECTOR
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
  leaq -128(%rsp), %rsp
  pushq TICK_RESUME
  jmp reprise_tick_yield
END_FUNC reprise_tick_slow

// As if called at the interrupted instruction, the return address below its red zone. Saves all, gives
// way on g0, restores all.
FUNC reprise_tick_yield
  .cfi_signal_frame
  .cfi_def_cfa %rsp, 136
  .cfi_offset %rip, -136
  pushfq
  .cfi_adjust_cfa_offset 8
  .irp r, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
  pushq %\r
  .cfi_adjust_cfa_offset 8
  .endr
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbp, 0
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  cld
  movl reprise_tick_vector_bytes(%rip), %eax
  subq %rax, %rsp
  andq $-64, %rsp
  movq %rsp, %rdi
  SAVE_VECTOR
  call reprise_tick_gives_way
  movq %rsp, %rdi
  RESTORE_VECTOR
  movq %rbp, %rsp
  .cfi_def_cfa_register %rsp
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
  .irp r, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
  popq %\r
  .cfi_adjust_cfa_offset -8
  .endr
  popfq
  .cfi_adjust_cfa_offset -8
  ret $128
END_FUNC reprise_tick_yield

END_FILE
