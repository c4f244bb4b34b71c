// What the assembler knows of a goroutine and of a thread: their contexts, at fixed offsets.
//
// Read by C++ and by the assembler. The macros are the only offsets that assembly may use; C++
// proves each against the structure. A G begins with a GContext and an M with an MContext.
//
// A saved context (Gobuf) is a stack pointer and the address where to go on. Everything else that
// the ABI preserves (rbx, rbp, r12 to r15, the control words of SSE and x87) lies on the stack at
// that pointer, and the call frame information at that address says where. `bp` is a copy of rbp
// for readers that follow frame pointers.
//
// Thread safety: a context belongs to the M that runs the goroutine, and to the scheduler while it
// does not run.
#pragma once

#define GOBUF_SP 0
#define GOBUF_PC 8
#define GOBUF_BP 16
#define G_STACK_LO 24
#define G_STACK_HI 32
#define G_STACK_GUARD 40
#define G_M 48

#define M_G0 0
#define M_CURG 8

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

namespace reprise::rt {
struct G;
struct M;
}  // namespace reprise::rt

namespace reprise::asm_ {

struct Gobuf {
  uint64_t sp = 0;
  uint64_t pc = 0;
  uint64_t bp = 0;
};

struct GContext {
  Gobuf sched;
  uint64_t stack_lo = 0;     // lowest usable byte; the guard lies below
  uint64_t stack_hi = 0;     // one past the highest
  uint64_t stack_guard = 0;  // lowest byte of the guard, stack_lo if there is none
  rt::M* m = nullptr;        // the thread that runs it, null while it does not run
};

struct MContext {
  rt::G* g0 = nullptr;    // its system goroutine: the scheduler's stack
  rt::G* curg = nullptr;  // the user goroutine that it runs, null in the scheduler
};

static_assert(offsetof(GContext, sched) == 0);
static_assert(offsetof(Gobuf, sp) == GOBUF_SP);
static_assert(offsetof(Gobuf, pc) == GOBUF_PC);
static_assert(offsetof(Gobuf, bp) == GOBUF_BP);
static_assert(offsetof(GContext, stack_lo) == G_STACK_LO);
static_assert(offsetof(GContext, stack_hi) == G_STACK_HI);
static_assert(offsetof(GContext, stack_guard) == G_STACK_GUARD);
static_assert(offsetof(GContext, m) == G_M);
static_assert(offsetof(MContext, g0) == M_G0);
static_assert(offsetof(MContext, curg) == M_CURG);

}  // namespace reprise::asm_

#endif  // __ASSEMBLER__
