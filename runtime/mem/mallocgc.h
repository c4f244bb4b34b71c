// mallocgc: an object on the collected heap.
//
// Sizes up to 32 KiB come from the P's cache: tiny ones (below 16 bytes, without pointers) are cut from a shared block,
// the others take the next free slot of a span of their class. Larger objects are spans of their own. Memory is
// zeroed where it may have been used before and the caller, or the collector, wants it so.
//
// The collector is told of allocations through HeapHooks, which it fills at boot. While it does nothing its whole cost is a test
// of one byte (`heap_attention`).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/mspan.h"

namespace reprise::rt {

// An object of `size` bytes, aligned for any type of that size that is not over-aligned: to 16 bytes if the size is a
// multiple of 16 (or more than 24), else to 8, 4 or 2 if the size is a multiple of that.
// `type` null, or without pointers: it is never scanned, and may share a 16 byte block with others. A type with pointers always
// gets zeroed memory. Contents are not the type's to destroy: what has a destructor needs a finalizer.
// REQUIRES: a P (a goroutine, or g0 with one). No runtime lock held. Natively a goroutine may go on on another thread after it: it
// gives way where that was asked for, and HeapHooks::assist and ::trigger may park; none of that on g0. Out of memory is a fatal error, with the reference's text. Size 0: an address shared by all such.
void* mallocgc(size_t size, const Type* type, bool needzero);
// mallocgc for a type whose span class is known, zeroed; null on g0 and on foreign threads. What has no pointers and is smaller than
// 16 bytes should go by mallocgc, which lets such share a block.
void* gc_new(SpanClass spanclass, const Type* type);
// The same for span classes below kGcNewClasses, each compiled for its size.
template <uint8_t Class>
void* gc_new_of(const Type* type);
// mallocgc for objects aligned to a power of two, up to a heap page.
void* mallocgc_aligned(size_t size, size_t alignment, const Type* type, bool needzero);

// Bits of heap_attention: why allocations take a way round. Marking and debugging change while the world is stopped.
inline constexpr uint8_t kHeapMarking = 1;  // a cycle marks: assist is called, and new objects are black
inline constexpr uint8_t kHeapDebug = 2;    // HeapHooks::allocated is called for each object, and none shares a block
inline constexpr uint8_t kHeapGiveWay = 4;  // native: some P should give way, and an allocation is a good place (preempt.cc)
extern std::atomic<uint8_t> heap_attention;

// What the collector does at these points. Every function may be called from any P at once.
struct HeapHooks {
  // Before an allocation while kHeapMarking is set, on a goroutine whose gcAssistBytes have fallen below 0 by it: the debt is
  // paid here. May park.
  void (*assist)() = nullptr;
  // An object was made while kHeapMarking is set: it is marked already (mallocgc has set its bit in gcmarkBits); credit it. It
  // holds zeros, or is noscan. Also told of a tiny block that another object is cut from, if it was white. g0 or goroutine.
  void (*allocated_black)(MSpan* s, uint32_t index) = nullptr;
  // An object was made while kHeapDebug is set.
  void (*allocated)(MSpan* s, uint32_t index, size_t size) = nullptr;
  // heap_live has grown and is beyond gc_trigger: starts a cycle if none runs. After the allocation, on a goroutine. May park.
  void (*trigger)() = nullptr;
  // Before a span is swept, by its sweeper: finalizers, weak pointers. It may set mark bits to keep objects. Sweeping may
  // happen in mallocgc, under no lock; must not allocate from the collected heap.
  void (*before_sweep)(MSpan* s) = nullptr;
  // A span's unmarked objects were counted free, or (small spans) their slots will be; for poisoning.
  void (*freed)(MSpan* s, uint32_t index) = nullptr;
  // Before a span is allocated for a cache: sweep enough to pay for it (the reference's deductSweepCredit).
  void (*sweep_credit)(size_t bytes) = nullptr;
};
extern HeapHooks heap_hooks;

// An object is complete before what points to it is seen. On amd64 stores are not reordered, so it is the compiler's.
inline void publicationBarrier() { std::atomic_thread_fence(std::memory_order_release); }

}  // namespace reprise::rt
