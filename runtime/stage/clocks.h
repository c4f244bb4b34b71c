// The two vdsos: the one that the stage gives to the program, and the kernel's, by which the stage
// reads the real clocks.
//
// Thread safety: set up once, before the program's first instruction; reading is free for all.
#pragma once

#include <cstdint>

namespace reprise::stage {

// Maps the program's vdso at its fixed place. False: the place is taken.
bool map_vdso();

// The value of AT_SYSINFO_EHDR for the program.
uint64_t vdso_address();

// Finds the kernel's vdso from the stage's own AT_SYSINFO_EHDR; 0 if there is none, and then the
// clocks are read by system calls.
void find_kernel_vdso(uint64_t elf_header);

// A clock now, or -errno (no clock reads below -4095 ns). `id` is a clock's, with a tape::ClockUnit
// if not in nanoseconds. `may_use_tsc` is false where the time stamp counter traps.
int64_t real_clock(int id, bool may_use_tsc);

}  // namespace reprise::stage
