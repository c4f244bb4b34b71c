// The two system call instructions of ours that are meant to trap, at REPRISE_TRAP_GATE and
// REPRISE_TRAP_CALL. They lie in the vdso because it is outside the range in which Syscall User
// Dispatch lets calls pass, and because unwinding out of it works.

#include "runtime/stage/gate_offsets.h"

  .section .text.traps, "ax", @progbits

// void trap_gate(): jumped to, never called. The trap's handler takes the program's next
// instruction from Gate::resume_ip; this one is never returned to.
  .p2align 4
  .type trap_gate, @function
trap_gate:
  .cfi_startproc
  .cfi_undefined rip
  syscall
  ud2
  .cfi_endproc
  .size trap_gate, . - trap_gate

// long trap_call(): number in rax, arguments as the kernel takes them. It returns to the caller of a
// table entry, so it clears what an entry clears (table_amd64.S).
  .p2align 4
  .type trap_call, @function
trap_call:
  .cfi_startproc
  syscall
  xorl %ecx, %ecx
  xorl %edx, %edx
  xorl %esi, %esi
  xorl %edi, %edi
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  ret
  .cfi_endproc
  .size trap_call, . - trap_call

  .section .note.GNU-stack, "", @progbits
