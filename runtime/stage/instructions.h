// Instructions that read what a replay cannot repeat: rdtsc, rdtscp, rdrand, rdseed.
#pragma once

#include <ucontext.h>

#include "runtime/stage/thread.h"

namespace reprise::stage {

// If the faulting instruction is one of them, performs it as an event and steps over it.
bool emulate_instruction(Thread& t, int signal, ucontext_t* context);

// Makes rdrand and rdseed of a library's code trap. REQUIRES: just mapped, before it runs.
void trap_random_instructions(const char* path, uint64_t at, uint64_t size, long protection);

}  // namespace reprise::stage
