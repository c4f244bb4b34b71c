// The program's entry and rt0_go: from the kernel's first instruction to the scheduler.
//
//   _rt0_amd64_linux                       ELF entry; rsp: argc, argv, environment, auxv
//   int reprise_rt0_go(int argc, char** argv, int (*app)(int, char**));   never returns
//
// libc owns the thread pointer and wants to be started its own way, so the entry only notes where
// argc and argv lie and goes on to libc's _start with every register as it was; main() calls
// rt0_go. Of the reference's seven phases the fourth, settls, becomes a store into a thread-local
// variable of the initial-exec model.
//
// Position independent before relocation: everything is addressed from rip.
#include "asm/context.h"
#include "asm/macros.h"

FUNC _rt0_amd64_linux
  .cfi_undefined %rip
  movq %rsp, reprise_entry_sp(%rip)
  jmp _start@PLT
END_FUNC _rt0_amd64_linux

FUNC reprise_rt0_go
  .cfi_undefined %rip
  // 1. The arguments survive the alignment of the stack.
  movl %edi, %r12d
  movq %rsi, %r13
  movq %rdx, %r15
  subq $64, %rsp
  andq $~15, %rsp

  // 2. g0, on the stack of the operating system; 64 KiB of it are promised.
  leaq reprise_g0(%rip), %r14
  leaq (-64*1024+104)(%rsp), %rbx
  movq %rbx, G_STACK_GUARD(%r14)
  movq %rbx, G_STACK_LO(%r14)
  movq %rsp, G_STACK_HI(%r14)

  // 3. The processor, before any code that might ask.
  call reprise_probe_cpu
  call reprise_probe_xsave

  // 4. settls.
  TLS_G %rcx
  movq %r14, %fs:(%rcx)

  // 5. m0 and g0 know each other.
  leaq reprise_m0(%rip), %rax
  movq %r14, M_G0(%rax)
  movq %rax, G_M(%r14)

  // 6. The runtime.
  movl %r12d, %edi
  movq %r13, %rsi
  movq reprise_entry_sp(%rip), %rdx
  call reprise_args
  call reprise_osinit
  call reprise_schedinit

  // 7. The goroutine that will run runtime.main, then the scheduler.
  movq %r15, %rdi
  call reprise_newproc_main
  leaq reprise_schedule(%rip), %rdi
  call reprise_mstart
  ud2
END_FUNC reprise_rt0_go

// Fills reprise_cpuid and reprise_vector_level. Destroys rax, rcx, rdx, rsi; keeps rbx.
FUNC reprise_probe_cpu
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  xorl %eax, %eax
  cpuid
  movl %eax, %esi
  movl $1, %eax
  cpuid
  movl %ecx, reprise_cpuid(%rip)
  movl %edx, reprise_cpuid+4(%rip)
  cmpl $7, %esi
  jb 1f
  movl $7, %eax
  xorl %ecx, %ecx
  cpuid
  movl %ebx, reprise_cpuid+8(%rip)
1:
  movl reprise_cpuid(%rip), %eax
  andl $0x18000000, %eax          // OSXSAVE and AVX
  cmpl $0x18000000, %eax
  jne 2f
  xorl %ecx, %ecx
  xgetbv
  movl %eax, reprise_cpuid+12(%rip)
  movl %eax, %ecx
  andl $0x6, %ecx                 // the system saves xmm and ymm
  cmpl $0x6, %ecx
  jne 2f
  movl $1, reprise_vector_level(%rip)
  andl $0xe6, %eax                // and the masks, zmm0-15's upper halves, zmm16-31
  cmpl $0xe6, %eax
  jne 2f
  testl $0x10000, reprise_cpuid+8(%rip)
  jz 2f
  movl $2, reprise_vector_level(%rip)
2:
  popq %rbx
  .cfi_adjust_cfa_offset -8
  ret
END_FUNC reprise_probe_cpu

  .bss
  .p2align 3
  .globl reprise_entry_sp
  .hidden reprise_entry_sp
  .type reprise_entry_sp, @object
  .size reprise_entry_sp, 8
reprise_entry_sp:
  .zero 8
  .globl reprise_cpuid
  .hidden reprise_cpuid
  .type reprise_cpuid, @object
  .size reprise_cpuid, 16
reprise_cpuid:
  .zero 16
  .globl reprise_vector_level
  .hidden reprise_vector_level
  .type reprise_vector_level, @object
  .size reprise_vector_level, 4
reprise_vector_level:
  .zero 4
  .globl reprise_clear_level
  .hidden reprise_clear_level
  .type reprise_clear_level, @object
  .size reprise_clear_level, 4
reprise_clear_level:
  .zero 4

END_FILE
