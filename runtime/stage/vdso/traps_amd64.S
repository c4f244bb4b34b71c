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

// long trap_call(): number in rax, arguments as the kernel takes them; rcx and r11 are lost, the
// rest is preserved.
  .p2align 4
  .type trap_call, @function
trap_call:
  .cfi_startproc
  syscall
  ret
  .cfi_endproc
  .size trap_call, . - trap_call

  .section .note.GNU-stack, "", @progbits
