// The slow path of a tick where nobody wants to know: puts the counter out of reach and goes on.
//
//   reprise_tick_rearm: rax = where to go on; the program's own rax is in the tick page.
//
// Keeps every register and writes to no stack. Flags are dead at a tick.
#include "asm/macros.h"
#include "asm/tick_page.h"

FUNC reprise_tick_rearm
  .cfi_undefined %rip
  movl $-1, TICK_COUNTER
  movl $0x7fffffff, TICK_COUNTER + 4
  movq %rax, TICK_RESUME
  movq TICK_RAX, %rax
  jmp *TICK_RESUME
END_FUNC reprise_tick_rearm

END_FILE
