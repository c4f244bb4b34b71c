// MCache: a P's spans, one of each span class, from which its goroutines allocate without a lock.
//
// Owned by the P like its run queue: whoever holds the P uses it, and it moves with the P. Counters are written by the
// owner alone and read by anybody (relaxed: mem_stats is exact only while the world is stopped).
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/mem/heap_profile.h"
#include "runtime/mem/mspan.h"

namespace reprise::rt {

struct P;

struct MCache {
  MSpan* alloc[kNumSpanClasses];  // never null: a span without free slots stands in
  uintptr_t tiny = 0;             // the 16 byte block that tiny objects are cut from; 0: none
  uintptr_t tinyoffset = 0;
  std::atomic<uint64_t> tinyAllocs{0};  // objects cut from blocks
  std::atomic<uint64_t> tinyBlocks{0};  // blocks, which count as objects of 16 bytes too
  std::atomic<uint64_t> smallAllocCount[kNumSizeClasses] = {};  // of spans that left the cache
  std::atomic<uint64_t> largeAllocCount{0};
  std::atomic<uint64_t> largeAlloc{0};  // bytes
  HeapSampler sampler;            // the owner

  MCache();
  // A span with a free slot into alloc[]. False: out of memory.
  bool refill(SpanClass spanclass);
  // Every span back to its mcentral, the tiny block dropped. Returns how many.
  size_t releaseAll();
  // In the child of a fork, the cache of a P whose thread does not exist: its spans are lost (find_lost_spans).
  void abandon();
  // Small objects of a class that came from this cache, so far.
  uint64_t allocated(uint8_t size_class) const;

 private:
  bool release(MSpan*& s);
};

// A cache; a P gets one with its first allocation and keeps it. What it holds goes back when the P is no more
// (procresize calls releaseAll).
MCache* allocmcache();

// Every P's cache is emptied: before sweepgen is raised. Returns how many spans they had. REQUIRES: the world is stopped.
size_t flushallmcaches();

}  // namespace reprise::rt
