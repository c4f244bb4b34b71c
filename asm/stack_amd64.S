// Calls a function on a stack of the caller's choice.
//
//   void reprise_call_on_stack(void* top, void (*fn)(void*), void* arg);   rdi, rsi, rdx
//
// The frame is found through rbp, which fn preserves, so that an unwinder walks from the other stack
// back to this one; marked as a signal frame because the stacks are not nested. g does not change.
// The caller-saved registers are cleared before it returns: what ran there may differ between record
// and replay. Not saved: nothing else is touched.
#include "asm/context.h"
#include "asm/macros.h"

FUNC reprise_call_on_stack
  .cfi_signal_frame
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  movq %rdi, %rsp
  andq $~15, %rsp
  movq %rdx, %rdi
  call *%rsi
  movq %rbp, %rsp
  CLEAR_CALLER_SAVED
  popq %rbp
  .cfi_def_cfa %rsp, 8
  .cfi_restore %rbp
  ret
END_FUNC reprise_call_on_stack

END_FILE
