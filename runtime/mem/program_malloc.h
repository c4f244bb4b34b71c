// The program's malloc: in controlled modes the executable owns it, started directly libc does.
//
// Linking program_malloc.cc defines malloc, free and their family. Under the stage, blocks come from
// arenas at fixed addresses (tape::kProgramArena and its neighbours), so that neither threads nor
// recorder nor policies move the program's addresses: one arena for goroutines and threads, one for
// whatever runs on the scheduler's stack (g0), one for policies (runtime/seam/policy_memory.h). A
// block is freed into the arena it came from, whoever frees it. Started directly, each call goes on
// to libc. Works from the dynamic linker's first allocation on, and in forked children.
//
// Under sanitizers, which bring their own, the family is not defined.
#pragma once

#include <cstddef>

namespace reprise::mem {

class Arena;

// The arena that an allocation would come from now; null where libc's malloc is in use.
Arena* current_arena();

// The arenas of a controlled run, null elsewhere: where goroutines' and threads' blocks come from, and the scheduler's.
Arena* program_blocks();
Arena* runtime_blocks();

// Boot's step: ends the program unless malloc is the one defined here. g0.
void mallocinit();

// Told of every block, by the thread that gets or gives it: after it is got, before it is given back.
struct HeapWatch {
  void (*allocated)(void* block, size_t bytes);
  void (*freed)(void* block, size_t bytes);
};
// From now on, and for ever. Before any thread is made.
void watch_heap(const HeapWatch* watch);

}  // namespace reprise::mem
