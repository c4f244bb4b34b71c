// Switches between the stacks of the explorer's threads.
//
//   void reprise_model_switch(void** save, void* load);       rdi, rsi
//
// Saves what the ABI preserves on the current stack, its stack pointer in *save, and returns on the
// stack that load names. Control words included; nothing else, since it is an ordinary call.
#include "asm/macros.h"

FUNC reprise_model_switch
  SAVE_CALLEE
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  RESTORE_CALLEE
  .cfi_def_cfa %rsp, 8
  ret
END_FUNC reprise_model_switch

// First frame of a fiber: the entry function is in rbx. Unwinding ends here.
FUNC reprise_model_entry
  .cfi_undefined rip
  call *%rbx
  ud2
END_FUNC reprise_model_entry

END_FILE
