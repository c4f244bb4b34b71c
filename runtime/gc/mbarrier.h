// What a pointer into the collected heap has to tell the collector: where it lies, and what it is overwritten with.
//
// Where. Pointers on goroutines' stacks and in collected objects are found by scanning those; any other (a global, a member
// of an object of malloc's, a variable on a foreign thread's stack) is a root and says so when it is made and
// destroyed. Which it is follows from its address.
//
// The write barrier is the reference's hybrid (Yuasa's deletion, Dijkstra's insertion): while a cycle marks, the value that
// is overwritten and the new one are both shaded. HACKING.md, "The collector", argues why that finds everything that is
// reachable, and why the test of the flag and the store need not be one instruction.
//
// Shading puts addresses into a buffer of the P's; they are looked at when it is full, and at the end of marking.
//
// Thread safety: any thread; a slot is its owner's, as any variable. Nothing here blocks for longer than a lock is held.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/mheap.h"
#include "runtime/mem/stack.h"

namespace reprise::rt {

// Not 0 while a cycle marks. Changes while the world is stopped. Relaxed: see HACKING.md.
extern std::atomic<uint8_t> gc_barrier_on;

// A pointer at that address is found by scanning a stack or a collected object.
inline bool gc_scanned_place(const void* slot) {
  const auto at = reinterpret_cast<uintptr_t>(slot);
  return at - kStacks < kStacksEnd - kStacks || in_heap_arena(at);
}

// Both are null or anywhere; only objects of the collected heap are shaded.
void gc_barrier_slow(void* old_value, void* new_value);

inline void gc_barrier(void* old_value, void* new_value) {
  if (gc_barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] gc_barrier_slow(old_value, new_value);
}

// A pointer that lies at no scanned place is made, with its first value, and is gone.
void gc_root_made(void** slot, void* value);
void gc_root_gone(void** slot);

}  // namespace reprise::rt
