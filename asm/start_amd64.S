// First frames: of a goroutine, and of the scheduler on a thread.
//
//   void reprise_gostart();                 gone on to by mcall or mstart, r14 = g; never returns
//   void reprise_mstart(G* (*fn)());        rdi; the thread's g is its g0
//   [[noreturn]] void reprise_mexit();
//
// gostart gives the goroutine the ABI's initial control words and clears the caller-saved
// registers; mstart saves what the ABI preserves, for mexit.
#include "asm/context.h"
#include "asm/macros.h"

FUNC reprise_gostart
  .cfi_undefined %rip
  xorl %ebp, %ebp
  subq $16, %rsp
  movl $0x1f80, (%rsp)
  movw $0x37f, 4(%rsp)
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $16, %rsp
  CLEAR_CALLER_SAVED
  movq %r14, %rdi
  xorl %ebx, %ebx
  xorl %r12d, %r12d
  xorl %r13d, %r13d
  xorl %r15d, %r15d
  call reprise_goroutine_main
  ud2
END_FUNC reprise_gostart

FUNC reprise_mstart
  SAVE_CALLEE
  TLS_G %rcx
  movq %fs:(%rcx), %r14
  movq %rsp, GOBUF_SP(%r14)
  leaq 1f(%rip), %rax
  movq %rax, GOBUF_PC(%r14)
  movq %rbp, GOBUF_BP(%r14)
  call *%rdi
  .cfi_remember_state
  .cfi_undefined %rip
  GO_ON
  .cfi_restore_state
1:
  endbr64
  RESTORE_CALLEE
  ret
END_FUNC reprise_mstart

FUNC reprise_mexit
  .cfi_undefined %rip
  TLS_G %rcx
  movq %fs:(%rcx), %r14
  movq GOBUF_SP(%r14), %rsp
  movq GOBUF_BP(%r14), %rbp
  jmp *GOBUF_PC(%r14)
END_FUNC reprise_mexit

END_FILE
