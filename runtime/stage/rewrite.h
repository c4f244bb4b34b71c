// Rewriting of system call instructions that trap often.
//
// A trap costs some 1.7 us, most of it the kernel's signal. So an instruction that has trapped
// often, and whose surroundings are understood, is replaced by a jump to a trampoline of
// its own, which enters the stage as a direct call does (hot_amd64.S). Two shapes, both glibc's:
//
//   mov $nr, %eax; syscall        the `mov` becomes the jump. The instruction stays where it is,
//                                 for whoever jumps to it, and for calls that must trap.
//   syscall; cmp $-4095, %rax     instruction and comparison become the jump; the trampoline
//                                 compares. Only where nothing in the same text leads in between.
//
// Never by a scan for bytes: only where a trap has shown that an instruction begins.
//
// Rewriting changes no record: a rewritten call and a trapped one put the same on the tape, so a
// replay need not rewrite what the recording did (under gdb, where a breakpoint lies in the way, it
// does not).
//
// Thread safety: all of it under the baton. Every other thread of the program is then inside the
// stage, waiting for the baton or for the kernel. None can execute half-written bytes, but one may
// be about to return to behind an instruction that is now part of a jump: resume_address() says
// where it goes on instead. It comes back by rt_sigreturn, which serialises, so that it cannot
// execute stale bytes either.
#pragma once

#include <cstdint>

namespace reprise::stage {

// What a trampoline gives to stage_hot_call. Offsets are in gate_offsets.h.
struct Site {
  uint64_t resume;    // where the program goes on after the call
  uint64_t ip_after;  // the address after the replaced instruction
};

// Executable, unwritable contents of a file are at [at, at + size) from now on: in them alone
// instructions are rewritten. `text_gone`: whatever was there is no longer known.
void text_mapped(uint64_t at, uint64_t size);
void text_gone(uint64_t at, uint64_t size);

// Call `nr` trapped, the instruction ending at `ip_after`: counts, and rewrites when it is time.
void count_trap(uint64_t ip_after, long nr);

// Where a thread that was to go on at `ip` goes on.
uint64_t resume_address(uint64_t ip);

}  // namespace reprise::stage
