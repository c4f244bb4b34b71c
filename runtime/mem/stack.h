// Goroutine stacks: address space reserved, pages committed on touch, a guard below each.
//
// C++ keeps pointers into stacks, so a stack cannot move: it grows by being touched, up to what was
// reserved. Stacks lie one after another in a fixed arena (kStacks), so that a goroutine's
// addresses are the same in every run of the same schedule.
//
// Sizes are powers of two from 256 KiB. Memory is never unmapped: a goroutine's G lies at the top of
// its stack and both are used again together (runtime/sched/gfree.cc).
//
// Thread safety: any thread; one lock (LockRank::stack_pool).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::rt {

// Where stacks may lie. Under a sanitizer the arena of controlled runs belongs to its shadow or its
// malloc; there it is behind the collected heap.
#ifdef REPRISE_SANITIZED
inline constexpr uint64_t kStacks = 0x7e90'0000'0000, kStacksEnd = 0x7ec0'0000'0000;
#else
inline constexpr uint64_t kStacks = tape::kStackArena, kStacksEnd = tape::kProgramArena;
#endif

inline constexpr size_t kStackDefaultBytes = 256 << 10;
inline constexpr size_t kStackMainBytes = 8 << 20;
inline constexpr size_t kStackGuardBytes = 64 << 10;
inline constexpr int kStackClasses = 16;  // 256 KiB to 8 GiB

struct Stack {
  uint64_t lo = 0;     // lowest usable byte
  uint64_t hi = 0;
  uint64_t guard = 0;  // lowest byte of the guard; equal to lo if only a canary guards it
};

// The class of a request, rounded up; -1 if it is larger than the largest.
int stack_class(size_t bytes);
size_t stack_class_bytes(int size_class);

// A fresh stack. Throws the reference's fatal error if there is no memory.
Stack stackalloc(int size_class);

// Stacks lie between kStacks and this, so far, and nothing else does. REQUIRES: nobody makes one.
uint64_t stack_arena_end();

// Gives the pages of an idle stack back to the system, all but those from `keep_from` up.
void stack_release(uint64_t lo, uint64_t keep_from);

// Stacks without a guard have a pattern at their low end instead. False: it was overwritten.
bool stack_canary_intact(uint64_t lo);

// How stacks are guarded; stackinit() finds the best that the kernel offers.
enum class StackGuard : uint8_t { install, protect, canary };
void stackinit();
StackGuard stack_guard_kind();
void stack_set_guard_for_test(StackGuard kind);

}  // namespace reprise::rt
