// Calls a function on another stack so that an unwinding may come back across.
//
//   void reprise_asmcgocall(void* top, void (*fn)(void*), void* arg);   rdi, rsi, rdx
//
// A frame between reprise_call_on_stack and its caller. That one is marked as a signal frame, because the stacks are not
// nested, and unwinders take the address in the frame below a signal frame as it stands, not as that behind a call:
// a caller in C++ would look for its landing pad one call site too far. This frame has none to look for. Nothing
// is saved: it passes its arguments on.
#include "asm/context.h"
#include "asm/macros.h"

FUNC reprise_asmcgocall
  subq $8, %rsp
  .cfi_def_cfa_offset 16
  call reprise_call_on_stack
  nop
  addq $8, %rsp
  .cfi_def_cfa_offset 8
  ret
END_FUNC reprise_asmcgocall

END_FILE
