// The assembly of a tick site, the same for both compilers. asm/tick_page.h explains it.
//
// `$` and `%` are written as an assembler reads them; each compiler's plugin escapes what it must.
// Labels are local numbers, so that the text may be copied: both compilers duplicate blocks.
//
// The stub goes into subsection 1 of whatever section the function is in, behind all its functions: it
// shares the fate of a comdat, and stays out of the function's own range, of its call frame
// information (it touches no stack), and of the fetch of its loops.
#pragma once

#include "asm/tick_page.h"

#define TICK_TEXT_(x) #x
#define TICK_TEXT(x) TICK_TEXT_(x)

#define TICK_SITE_ASM                                            \
  "770:\tsubq $1, " TICK_TEXT(TICK_COUNTER) "\n"                 \
  "\t.byte 0x0f, 0x88\n\t.long 771f - 772f\n"                    \
  "772:\n"                                                       \
  "\t.pushsection reprise_sites, \"aw?\", @progbits\n"           \
  "\t.long 770b - .\n"                                           \
  "\t.popsection\n"                                              \
  "\t.subsection 1\n"                                            \
  "771:\tmovq %rax, " TICK_TEXT(TICK_RAX) "\n"                   \
  "\tleaq 772b(%rip), %rax\n"                                    \
  "\tjmp *" TICK_TEXT(TICK_SLOW) "\n"                            \
  "\t.previous"

// Opens the entry of a range in the table; begin and end follow as labels.
#define TICK_RANGE_SECTION "reprise_text"
