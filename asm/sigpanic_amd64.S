// sigpanic: the panic of a goroutine whose instruction faulted.
//
//   void reprise_sigpanic();   entered by a pushed call (preempt.h's frame), never called, never returns
//
// At the entry (%rsp) is the instruction that faulted, PREEMPT_RED_ZONE bytes below its stack pointer. No
// register is saved: nothing goes on there. Call frame information says that the caller is the function
// that faulted, marked as a signal's, so that unwinding looks up the instruction itself and not the one
// before it; callee-saved registers still hold what that function left in them.
#include "asm/macros.h"
#include "asm/preempt.h"

#define ENTRY_CFA (PREEMPT_RED_ZONE + 8)

FUNC reprise_sigpanic
  .cfi_signal_frame
  .cfi_def_cfa %rsp, ENTRY_CFA
  .cfi_offset %rip, -ENTRY_CFA
  pushq %rbp
  .cfi_def_cfa_offset ENTRY_CFA + 8
  .cfi_offset %rbp, -(ENTRY_CFA + 8)
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  andq $-16, %rsp
  cld
  call reprise_sigpanic2
  ud2
END_FUNC reprise_sigpanic

END_FILE
