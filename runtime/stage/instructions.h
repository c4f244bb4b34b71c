// Instructions that read what a replay cannot repeat: rdtsc, rdtscp, rdrand, rdseed, cpuid.
#pragma once

#include <ucontext.h>

#include "runtime/stage/thread.h"

namespace reprise::stage {

// If the faulting instruction is one of them, performs it as an event and steps over it.
bool emulate_instruction(Thread& t, int signal, ucontext_t* context);

// Whether the time stamp counter may be read by this thread, by the kernel's vdso above all, without
// a trap. Asked at each reading of a clock while recording: a program that reads clocks often and
// has not read the counter itself is freed from the trap, unless Option::kStrictClock is set. A
// replay traps always, so that a reading of the counter that was not recorded is named there.
inline constexpr uint32_t kReadingsUntilFree = 1000;
bool counter_is_free(Thread& t);

// cpuid of this thread traps, or works. REQUIRES: the kernel has it, which the parent has tried.
void set_cpuid_trap(bool trap);

// Makes rdrand and rdseed of a library's code trap. REQUIRES: just mapped, before it runs.
void trap_random_instructions(const char* path, uint64_t at, uint64_t size, long protection);

}  // namespace reprise::stage
