// The routines written in assembly, as C++ calls them. Each .S file says what it saves and what not.
//
// Thread safety: each acts on the calling thread alone.
#pragma once

#include <cstdint>

#include "asm/context.h"

extern "C" {

// The current goroutine of this thread: g0 on the scheduler's stack, null on a thread that the
// runtime does not know. Initial-exec; read it through rt::getg() only, so that no compiler keeps
// its address across a switch.
extern __thread reprise::rt::G* reprise_tls_g __attribute__((tls_model("initial-exec")));

// What the processor has and the system saves: 0 xmm, 1 also ymm (AVX), 2 also zmm and the masks
// (AVX-512). Written once, by the processor probe of rt0_go.
extern uint32_t reprise_vector_level;
// Vector registers that a switch clears: 0 none, else up to those of level n - 1. Written at boot, in
// controlled runs.
extern uint32_t reprise_clear_level;
// cpuid(1).ecx, cpuid(1).edx, cpuid(7).ebx and xgetbv(0).eax, as rt0_go found them; 0 if absent.
extern uint32_t reprise_cpuid[4];

// Saves the current goroutine, calls fn(gp) on g0, and goes on with the goroutine that fn returns, where its context was saved
// or at its start: mcall returns when somebody's fn returns gp. REQUIRES: not on g0.
void reprise_mcall(reprise::rt::G* (*fn)(reprise::rt::G*));

// Calls fn(arg) on g0 and comes back. On g0 already: a plain call. Caller-saved registers are
// cleared before it returns, so that nothing of what fn did shows on the goroutine.
void reprise_systemstack(void (*fn)(void*), void* arg);

// Calls fn(arg) on the stack that ends at `top`, and comes back with the caller-saved registers
// cleared. Any stack; the current goroutine stays the same.
void reprise_call_on_stack(void* top, void (*fn)(void*), void* arg);

// Notes where the caller of gosave is, as a context that a traceback can start from.
void reprise_gosave(reprise::asm_::Gobuf* buf);

// Makes the caller's stack, from here down, the g0 stack of this thread, calls fn, and goes on with the goroutine that it
// returns. Returns only through reprise_mexit().
void reprise_mstart(reprise::rt::G* (*fn)());
// Makes this thread's reprise_mstart return. REQUIRES: on g0.
[[noreturn]] void reprise_mexit();

// First frame of every goroutine; newproc() makes a context that starts there.
void reprise_gostart();
// What it calls: runs the goroutine's function and ends it (runtime/sched/newproc.cc).
[[noreturn]] void reprise_goroutine_main(reprise::rt::G* gp);

}  // extern "C"
