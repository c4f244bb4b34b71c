// Caches of spans: refilled from mcentral, emptied when their P is no more, and all of them before a sweep.
//
// Invariants: alloc[c] is a span of class c with sweepgen sg and in no set, or `emptymspan`, which has no slots. A span in a
// cache counts in heap_live as if it were full; what it has left is taken off when it leaves.
#include "runtime/mem/mcache.h"

#include <new>

#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mcentral.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

// Never written: it has no slot.
constinit MSpan emptymspan;

uint64_t free_bytes(const MSpan* s) { return uint64_t{s->nelems - s->allocCount} * s->elemsize; }

void add(std::atomic<uint64_t>& counter, uint64_t n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

MCache::MCache() {
  for (MSpan*& s : alloc) s = &emptymspan;
}

bool MCache::release(MSpan*& s) {
  if (s == &emptymspan) return false;
  sampler.before(s->spanclass, s);
  add(smallAllocCount[s->spanclass.sizeclass()], s->allocCount - s->countBeforeCache);
  mheap_.heap_live.fetch_sub(free_bytes(s), std::memory_order_relaxed);
  mcentrals[s->spanclass.index()].uncacheSpan(s);
  s = &emptymspan;
  return true;
}

bool MCache::refill(SpanClass spanclass) {
  MSpan*& s = alloc[spanclass.index()];
  if (s->freeindex != s->nelems) throw_("refill of span with free space remaining");
  release(s);
  MSpan* const fresh = mcentrals[spanclass.index()].cacheSpan(spanclass);
  if (fresh == nullptr) return false;
  fresh->countBeforeCache = fresh->allocCount;
  mheap_.heap_live.fetch_add(free_bytes(fresh), std::memory_order_relaxed);
  s = fresh;
  sampler.came(spanclass, s);
  return true;
}

size_t MCache::releaseAll() {
  size_t released = 0;
  for (MSpan*& s : alloc) released += release(s) ? 1 : 0;
  tiny = tinyoffset = 0;
  return released;
}

void MCache::abandon() {
  for (MSpan*& s : alloc) s = &emptymspan;
  tiny = tinyoffset = 0;
}

uint64_t MCache::allocated(uint8_t size_class) const {
  uint64_t count = smallAllocCount[size_class].load(std::memory_order_relaxed);
  for (const bool noscan : {false, true}) {
    const MSpan* const s = alloc[SpanClass(size_class, noscan).index()];
    count += s->allocCount - s->countBeforeCache;
  }
  return count;
}

MCache* allocmcache() { return new (persistentalloc(sizeof(MCache), 64)) MCache; }

size_t flushallmcaches() {
  size_t released = 0;
  if (mheap_.spans_lost) find_lost_spans();
  for (auto& slot : allp) {
    const P* const pp = slot.load(std::memory_order_acquire);
    if (pp == nullptr) break;
    if (pp->mcache != nullptr) released += pp->mcache->releaseAll();
  }
  return released;
}

}  // namespace reprise::rt
