// mheap: the collected heap's pages and spans, in one reserved range of fixed addresses.
//
// The range is reserved when the first object is made, so a program that makes none pays nothing.
//
// A span is taken from here by mcentral (small objects) and mallocgc (large ones), and goes back when nothing in it
// is alive. Which span holds an address is one look into a table. All that the heap knows of itself lies outside
// of it, at kHeapMetadata.
//
// Deterministic: which addresses are handed out depends on the sequence of calls alone (lowest address first).
//
// Thread safety: span_of() any thread, wait free; the rest as stated. One lock, LockRank::mheap.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/mspan.h"
#include "runtime/mem/page_alloc.h"
#include "runtime/sched/lock.h"

namespace reprise::rt {

// Objects are the program's: between its other memory (tape::kProgramArena and the stage's interpreter) below tape::kProgramEnd,
// so that the memory hash of record and replay covers them. Under sanitizers, whose shadow may lie there, elsewhere.
#ifdef REPRISE_SANITIZED
inline constexpr uintptr_t kHeapArena = 0x7e80'0000'0000;
inline constexpr size_t kHeapArenaMaxBytes = size_t{64} << 30;
#else
inline constexpr uintptr_t kHeapArena = 0x7cc0'0000'0000;
inline constexpr size_t kHeapArenaMaxBytes = size_t{256} << 30;
#endif
// Words for the bits of a span, and for the types of its objects if it has few of them.
inline constexpr size_t kMaxWordRun = 16;

// What the heap knows of itself is ours, as the rest above tape::kProgramEnd. Below lie 80 GiB of the race detector's.
inline constexpr uintptr_t kHeapMetadata = 0x7ee8'0000'0000;

// The span of each page of the arena: null for pages that are free.
inline std::atomic<MSpan*>& span_table(size_t page) {
  return reinterpret_cast<std::atomic<MSpan*>*>(kHeapMetadata)[page];
}

struct MHeap {
  Lock lock{LockRank::mheap};
  // Even; raised by two by the collector at the start of each sweep, while the world is stopped.
  std::atomic<uint32_t> sweepgen{2};
  // Span classes below have nothing to sweep. Relaxed: written by sweepers, and while the world is stopped.
  std::atomic<uint32_t> sweep_from{0};
  std::atomic<size_t> arena_bytes{0};      // reserved; 0 before the first allocation
  std::atomic<uintptr_t> arena_used{kHeapArena};  // end of the highest page that was ever handed out

  // What the collector's pacer goes by: bytes of objects marked by the last cycle and of all handed out
  // since; a span in a cache counts whole. Any thread.
  std::atomic<uint64_t> heap_live{0};
  // An allocation that finds heap_live beyond it calls HeapHooks::trigger. The collector's to set.
  std::atomic<uint64_t> gc_trigger{UINT64_MAX};

  // Guarded by lock.
  PageAlloc pages;
  MSpan* free_spans = nullptr;             // descriptors, by next
  uint32_t spans_made = 0;
  uint64_t spans_in_use = 0;
  uint64_t pages_in_use = 0;               // of spans
  uintptr_t metadata_next = 0;             // persistentalloc
  uintptr_t metadata_end = 0;
  BitWord* free_words[kMaxWordRun + 1] = {};  // runs of words, by length, linked through the first

  // All spans are to be swept. REQUIRES: the world is stopped, and no cache holds a span.
  void begin_sweep() {
    sweep_from.store(0, std::memory_order_relaxed);
    sweepgen.fetch_add(2, std::memory_order_release);
  }
  uint64_t metadata_used() const;          // bytes of kHeapMetadata in use: REQUIRES lock

  // Sweepers under way, and whether a fork may have left spans in no set.
  std::atomic<int32_t> sweepers{0};
  bool spans_lost = false;                 // the one thread of a forked child

  // Objects freed by sweeping, in all. Relaxed; exact while the world is stopped.
  std::atomic<uint64_t> freed_small[kNumSizeClasses] = {};
  std::atomic<uint64_t> freed_large{0}, freed_large_bytes{0};
};
extern MHeap mheap_;

// The descriptor of a number (MSpan::number), which was handed out.
MSpan* span_numbered(uint32_t number);

// The span that holds an address; null for whatever is in no span in use. Interior addresses too. An address behind the
// last object of a span (tail waste) answers the span: compare with `limit`.
inline MSpan* span_of(uintptr_t address) {
  const uintptr_t offset = address - kHeapArena;
  if (offset >= kHeapArenaMaxBytes || mheap_.arena_bytes.load(std::memory_order_acquire) <= offset) return nullptr;
  MSpan* const s = span_table(offset >> kHeapPageShift).load(std::memory_order_acquire);
  if (s == nullptr || s->state.load(std::memory_order_acquire) != SpanState::in_use) return nullptr;
  return s;
}
inline MSpan* span_of(const void* address) { return span_of(reinterpret_cast<uintptr_t>(address)); }
// Whether an address lies in the arena, in use or not. Two instructions: for barriers.
inline bool in_heap_arena(uintptr_t address) { return address - kHeapArena < kHeapArenaMaxBytes; }

// A span of `npages`, in use, swept, with no object in it and all slots free. Null if the arena or memory is full.
// Any thread. A span of class 0 holds one object, which fills it. REQUIRES: no runtime lock but those ordered before mheap.
MSpan* mheap_alloc(size_t npages, SpanClass spanclass);
// REQUIRES: nothing in it is alive, it is in no set and no cache, and nobody will look at it by its pointer.
void mheap_free(MSpan* s);

// Every span in use, by address. `f` must not allocate or free. REQUIRES: the world is stopped.
template <class F>
void each_span(F f) {
  const uintptr_t end = mheap_.arena_used.load(std::memory_order_acquire);
  for (uintptr_t at = kHeapArena; at < end;) {
    MSpan* const s = span_of(at);
    if (s != nullptr) f(s);
    at += s != nullptr ? s->bytes() : kHeapPageBytes;
  }
}

// Memory for the runtime itself that is never given back, zeroed, outside the heap; for what the collector keeps
// (work buffers, specials, barrier buffers). Any thread; takes mheap_.lock. Never null.
void* persistentalloc(size_t bytes, size_t alignment);

// Before and after fork(): the lock is held across it (sched/fork.cc). In the child of a native program the other Ps' caches,
// and spans that other threads had in hand, are found by the next refill or cycle, once.
void mheap_before_fork();
void mheap_after_fork(bool in_child);

}  // namespace reprise::rt
