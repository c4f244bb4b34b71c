// The tick page: one page at an absolute address, through which counted code, its modules and the
// runtime meet.
//
// Counted code (DESIGN, three builds of user code) counts down one word at every function entry and
// loop back edge. The word lies at an address below 2 GiB, so that one instruction reaches it from an
// executable and from a shared library alike, without a register, a GOT or a relocation:
//
//     subq $1, TICK_COUNTER        9 bytes: 48 83 2c 25 00 00 10 00 01
//     js   stub                    6 bytes: 0f 88 rel32, not taken
//   resume:
//   stub:                          out of line, no stack, flags are dead here
//     movq %rax, TICK_RAX
//     leaq resume(%rip), %rax
//     jmp  *TICK_SLOW
//
// Every executable and library with counted code carries tools/counted/module.cc, which maps the page
// before any of the module's code runs and links the module into `modules`. TICK_SLOW leads to a
// routine that puts the counter far up, until the runtime of a controlled run puts its own there.
//
// Rejected: a symbol of the executable (a library needs a register and a GOT load for it); a
// thread-local counter (1.34 against 1.21 in the study, and 5.7 on a polling loop); a register (libc's
// callbacks come without it).
//
// Thread safety: in controlled runs the baton serialises all of it. In native mode the counter is
// not used: sites are turned into nops when the module starts (module.cc), and back while schedules are
// explored; where that is refused, threads race on the counter, which then means nothing and expires
// after years.
//
// Nothing here may depend on more than fixed-size types: the stage reads it too.
#pragma once

#define TICK_PAGE 0x100000
#define TICK_COUNTER 0x100000
#define TICK_SLOW 0x100040
#define TICK_RAX 0x100048
#define TICK_RSP 0x100050
#define TICK_RESUME 0x100058
#define TICK_STACK 0x100060

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

namespace reprise::asm_ {

inline constexpr uint64_t kTickPageMagic = 0x3250'4b43'4954'5052;  // "RPTICKP2"
inline constexpr size_t kTickPageBytes = 4096;
// Bytes of a site, where the address of its `subq` is in the site table.
inline constexpr size_t kTickSubBytes = 9;
inline constexpr size_t kTickSiteBytes = 15;

// Text of one counted function, or of its cold part. In a module's table, sorted by address.
struct CountedRange {
  int32_t begin;   // from the start of the table
  uint32_t bytes;
};

// One executable or library that has counted code. It lies in the module.
struct CountedModule {
  CountedModule* next;
  const CountedRange* ranges;
  const CountedRange* ranges_end;
  uint64_t text_begin;  // of all its counted text
  uint64_t text_end;
  void (*tick)(bool on);  // puts the ticks into its text, or takes them out; no thread may be in it
};

struct TickPage {
  int64_t counter;              // ticks left; below 0 it has expired
  uint64_t magic;
  unsigned char pad[48];
  void (*slow)();               // on a cache line apart from the counter
  uint64_t saved_rax;           // scratch of the slow path, as are the next two
  uint64_t saved_rsp;
  uint64_t resume;
  void* stack;                  // top of the stack on which the slow path decides
  CountedModule* modules;       // atomic; written under the dynamic linker's lock
  uint64_t module_count;        // ever linked
  uint64_t before;              // ticks until the counter was set last; whoever sets it keeps these two
  int64_t loaded;               // what it was set to: before + (loaded - counter) ticks have passed
};
static_assert(offsetof(TickPage, counter) == TICK_COUNTER - TICK_PAGE);
static_assert(offsetof(TickPage, slow) == TICK_SLOW - TICK_PAGE);
static_assert(offsetof(TickPage, saved_rax) == TICK_RAX - TICK_PAGE);
static_assert(offsetof(TickPage, saved_rsp) == TICK_RSP - TICK_PAGE);
static_assert(offsetof(TickPage, resume) == TICK_RESUME - TICK_PAGE);
static_assert(offsetof(TickPage, stack) == TICK_STACK - TICK_PAGE);

// REQUIRES: it is mapped: some module has counted code.
inline TickPage* tick_page() { return reinterpret_cast<TickPage*>(TICK_PAGE); }

}  // namespace reprise::asm_

#endif  // __ASSEMBLER__
