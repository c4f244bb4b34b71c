// MSpan: a run of pages of the collected heap, and what is known of the objects in it.
//
// A span holds objects of one size class, or one large object. Its descriptor lies outside the heap, is
// used again for other spans and never unmapped, so a stale pointer to one reads a descriptor, if
// not the one that was meant. The names are the reference's.
//
// Which slot is free: slots below `freeindex` are taken; from there on a bit of `allocBits` says what
// the last sweep left. Marking sets bits of `gcmarkBits`; sweeping makes them the new allocBits.
//
// Whose a span is, by `sweepgen` against mheap_.sweepgen (sg), which the collector raises by two while
// the world is stopped and no cache holds a span (flushallmcaches):
//   sg - 2   to be swept: in a set, or large
//   sg - 1   being swept, by who made it so (compare-and-swap)
//   sg       swept: in a cache, or in a set of its mcentral
// Caches are emptied first, so a span in a cache is swept. A span is in at most one SpanSet (mcentral.h), and only who popped it may sweep it.
//
// Thread safety: "owner" is the P whose cache holds the span, the sweeper that made it sg - 1, or who
// allocates or frees it. Fields without a word are constant while the span is in use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/size_classes.h"

namespace reprise::rt {

struct Special;  // runtime/gc/mfinal.cc
struct Type;  // runtime/type/type.h

// Size class times two, plus one if objects hold no pointers (noscan). Class 0 is of large objects.
class SpanClass {
 public:
  constexpr SpanClass() = default;
  constexpr SpanClass(uint8_t size_class, bool noscan)
      : value_(static_cast<uint8_t>(size_class << 1 | (noscan ? 1 : 0))) {}
  constexpr uint8_t sizeclass() const { return value_ >> 1; }
  constexpr bool noscan() const { return (value_ & 1) != 0; }
  constexpr uint8_t index() const { return value_; }
  constexpr bool operator==(const SpanClass&) const = default;

 private:
  uint8_t value_ = 0;
};
inline constexpr size_t kNumSpanClasses = kNumSizeClasses * 2;
inline constexpr uint8_t kGcNewClasses = 14;  // those of objects of up to 64 bytes, which have functions of their own (gc_new_of)
inline constexpr SpanClass kTinySpanClass{2, true};  // 16 bytes, noscan

// MSpan::only_type where there is more than one.
extern const Type* const kManyTypes;

enum class SpanState : uint8_t { dead, in_use };

using BitWord = std::atomic<uint64_t>;

struct alignas(64) MSpan {
  // What marking reads of a span, in one line of the cache.
  uintptr_t startAddr = 0;
  size_t limit = 0;              // end of the last object
  BitWord* gcmarkBits = nullptr; // words of 64 slots, mark_words() of them; swapped by sweep, owner
  BitWord* allocBits = nullptr;
  // What the objects are, for spans that are scanned: the type of all so far, null if there is none yet, or kManyTypes; then
  // types[] has that of each. Written before freeIndexForScan is. Owner.
  std::atomic<const Type*> only_type{nullptr};
  size_t elemsize = 0;
  uint32_t divMul = 0;           // objIndex by multiplication
  uint32_t nelems = 0;
  SpanClass spanclass;
  // Set last when the span is made, first when it is freed. Who reached the span by an address that need not be an
  // object's (conservative marking) reads it before anything else: acquire.
  std::atomic<SpanState> state{SpanState::dead};
  bool needzero = false;         // its free slots may hold old data

  // What allocating writes.
  uint64_t allocCache = 0;       // free slots from freeindex on, bit 0 first: complement of allocBits, but for
                                 // what HeapSampler keeps back; owner
  uint32_t freeindex = 0;        // owner
  uint32_t allocCount = 0;       // objects in it; owner
  // freeindex as marking sees it: raised, with release, when the object is ready to be looked at.
  std::atomic<uint32_t> freeIndexForScan{0};
  uint32_t countBeforeCache = 0; // allocCount when it came into its cache; owner

  const Type** types = nullptr;  // null for noscan and for large objects
  std::atomic<uint32_t> sweepgen{0};
  size_t npages = 0;             // of kHeapPageBytes

  // Finalizers, weak pointers and what else belongs to single objects: the collector's (gc/mfinal.cc). Written under its lock
  // and as an atomic, for those who ask without the lock whether there are any.
  Special* specials = nullptr;

  MSpan* next = nullptr;         // free descriptors; mheap_.lock
  std::atomic<uint32_t> set_next{0};  // the span below in its SpanSet, by number; 0: none
  uint32_t number = 0;           // of the descriptor, from 1; constant once made

  uintptr_t base() const { return startAddr; }
  size_t bytes() const { return npages * kHeapPageBytes; }
  uint32_t mark_words() const { return (nelems + 63) / 64; }

  // The slot that holds an address. REQUIRES: base() <= address < limit.
  uint32_t objIndex(uintptr_t address) const {
    return static_cast<uint32_t>((uint64_t{address - startAddr} * divMul) >> 32);
  }
  uintptr_t objBase(uint32_t index) const { return startAddr + index * elemsize; }

  // The next free slot from freeindex on, which is then behind it; nelems if there is none. Owner.
  uint32_t nextFreeIndex();
  // allocCache for what is left of the word that freeindex is in. REQUIRES: freeindex < nelems. Owner.
  void refillAllocCache() {
    const uint32_t first = freeindex / 64 * 64;
    uint64_t free = ~allocBits[freeindex / 64].load(std::memory_order_relaxed);
    if (nelems - first < 64) free &= (uint64_t{1} << (nelems - first)) - 1;
    allocCache = free >> (freeindex % 64);
  }

  // Of an object that isAllocated(), or was made by the caller; null for noscan.
  const Type* typeAt(uintptr_t address) const {
    const Type* const only = only_type.load(std::memory_order_acquire);
    return only == kManyTypes ? types[objIndex(address)] : only;
  }
  // Notes what the object at `index` is, before freeIndexForScan is raised beyond it. Owner.
  void noteType(uint32_t index, const Type* type) {
    if (only_type.load(std::memory_order_relaxed) != type) [[unlikely]] noteOtherType(index, type);
  }

  // Whether marking may look at a slot: its object is complete, or older than the cycle. Any thread.
  bool isAllocated(uint32_t index) const {
    if (index < freeIndexForScan.load(std::memory_order_acquire)) return true;
    return (allocBits[index / 64].load(std::memory_order_relaxed) >> (index % 64) & 1) != 0;
  }
  bool isMarked(uint32_t index) const {
    return (gcmarkBits[index / 64].load(std::memory_order_relaxed) >> (index % 64) & 1) != 0;
  }
  // True if it was not marked. Any thread; orders nothing.
  bool setMarked(uint32_t index) {
    const uint64_t bit = uint64_t{1} << (index % 64);
    BitWord& word = gcmarkBits[index / 64];
    if ((word.load(std::memory_order_relaxed) & bit) != 0) return false;
    return (word.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }

 private:
  void noteOtherType(uint32_t index, const Type* type);
};

}  // namespace reprise::rt
