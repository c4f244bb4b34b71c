// asyncPreempt: a goroutine gives way between any two of its instructions.
//
// Whoever stopped a thread at an instruction of a goroutine (a signal's handler in native mode, the
// stage in controlled runs) makes it go on as if the goroutine had called reprise_async_preempt
// there: async_preempt_call() writes the address of that instruction below the red zone, and says
// where to go on. asyncPreempt saves everything on the goroutine's own stack, calls
// reprise_async_preempt2() and returns to the instruction with everything as it was.
//
// When that is allowed is not known here: runtime/signal/preempt.h says it for native mode,
// runtime/sched/counted.h for counted code.
//
// Thread safety: each acts on the stopped thread alone.
#pragma once

#define PREEMPT_RED_ZONE 128
// Components of XSAVE that are a goroutine's: x87, SSE, AVX, AVX-512's three, APX. Protection keys are the
// thread's. AMX tiles are 8 KiB and rare: a goroutine that has some in use is not to be preempted
// (kXsaveTiles in the header word of the signal frame's state).
#define PREEMPT_XSAVE_COMPONENTS 0x800e7

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

extern "C" {

void reprise_async_preempt();

// Gives way (runtime/sched/preempt.cc). On the goroutine's stack, with control words and x87 stack as
// the ABI has them at a call, the upper halves of the vector registers clear.
void reprise_async_preempt2();

// In place of a system call instruction: rax and the arguments as the instruction has them, entered by a
// pushed call to where it goes on. Calls reprise_simulated_call2(), which finds the registers below `frame`
// (preempt_amd64.S) and puts the result in rax's place.
void reprise_simulated_call();
void reprise_simulated_call2(uint64_t* frame);

// Bytes that XSAVE needs for the components of reprise_xsave_mask, a multiple of 64. Where the system
// has no XSAVE the mask is 0 and FXSAVE is used. Written once, by the processor probe of rt0_go.
extern uint64_t reprise_xsave_bytes;
extern uint32_t reprise_xsave_mask;

}  // extern "C"

namespace reprise::asm_ {

inline constexpr uint64_t kXsaveTiles = uint64_t{3} << 17;

// Where a thread goes on.
struct StoppedAt {
  uint64_t pc;
  uint64_t sp;
};

// Stack below the stack pointer that a preemption needs: red zone, saved state, and the runtime's frames
// until it has left the stack.
inline uint64_t async_preempt_stack_bytes() {
  constexpr uint64_t kFramesBytes = 4096;
  return PREEMPT_RED_ZONE + reprise_xsave_bytes + kFramesBytes;
}

// Where a thread goes on whose code makes a system call that a simulated world serves.
inline StoppedAt simulated_call(StoppedAt at) {
  const uint64_t sp = at.sp - PREEMPT_RED_ZONE - sizeof(uint64_t);
  *reinterpret_cast<uint64_t*>(sp) = at.pc;
  return {reinterpret_cast<uint64_t>(&reprise_simulated_call), sp};
}

// REQUIRES: async_preempt_stack_bytes() below at.sp are the goroutine's, and nothing else is kept there.
inline StoppedAt async_preempt_call(StoppedAt at) {
  const uint64_t sp = at.sp - PREEMPT_RED_ZONE - sizeof(uint64_t);
  *reinterpret_cast<uint64_t*>(sp) = at.pc;
  return {reinterpret_cast<uint64_t>(&reprise_async_preempt), sp};
}

}  // namespace reprise::asm_

#endif  // __ASSEMBLER__
