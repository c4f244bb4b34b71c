// mem_stats: sums over caches, central counters and the page allocator while the world is stopped.
//
// Counters of a cache are written by its owner alone, those of frees by sweepers; with the world stopped both stand still.
// In controlled modes one goroutine runs, which is as good.
#include <reprise/mem.h>

#include "runtime/gc/pauses.h"
#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mcache.h"
#include "runtime/mem/mheap.h"
#include "runtime/mem/scavenge.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"

namespace reprise {

namespace rt {
namespace {

template <class F>
void each_cache(F f) {
  for (auto& slot : allp) {
    const P* const pp = slot.load(std::memory_order_acquire);
    if (pp == nullptr) break;
    if (pp->mcache != nullptr) f(*pp->mcache);
  }
}

void add_objects(MemStats* stats) {
  uint64_t tiny = 0, large_bytes = 0;
  each_cache([&](const MCache& c) {
    tiny += c.tinyAllocs.load(std::memory_order_relaxed) - c.tinyBlocks.load(std::memory_order_relaxed);
    large_bytes += c.largeAlloc.load(std::memory_order_relaxed);
    stats->by_size[0].mallocs += c.largeAllocCount.load(std::memory_order_relaxed);
    for (size_t i = 1; i < kNumSizeClasses; ++i) stats->by_size[i].mallocs += c.allocated(static_cast<uint8_t>(i));
  });
  stats->total_alloc = large_bytes;
  uint64_t freed_bytes = mheap_.freed_large_bytes.load(std::memory_order_relaxed);
  stats->by_size[0].frees = mheap_.freed_large.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kNumSizeClasses; ++i) {
    MemStats::BySize& size = stats->by_size[i];
    size.size = kHeapClasses[i].bytes;
    if (i != 0) size.frees = mheap_.freed_small[i].load(std::memory_order_relaxed);
    stats->total_alloc += size.mallocs * size.size;
    freed_bytes += size.frees * size.size;
    stats->mallocs += size.mallocs;
    stats->frees += size.frees;
  }
  stats->alloc = stats->total_alloc - freed_bytes;
  stats->mallocs += tiny;
}

void add_pages(MemStats* stats) {
  mheap_.lock.lock();
  stats->heap_sys = mheap_.pages.top() * kHeapPageBytes;
  stats->heap_inuse = mheap_.pages_in_use * kHeapPageBytes;
  stats->heap_idle = stats->heap_sys - stats->heap_inuse;
  stats->heap_released = stats->heap_sys - mheap_.pages.resident() * kHeapPageBytes;
  stats->spans_inuse = mheap_.spans_in_use;
  stats->metadata_sys = mheap_.metadata_used();
  mheap_.lock.unlock();
  stats->heap_live = mheap_.heap_live.load(std::memory_order_relaxed);
  stats->next_gc = mheap_.gc_trigger.load(std::memory_order_relaxed);
}

void collect_stats(MemStats* stats) {
  const bool stop = !seam_active;
  if (stop) stop_the_world();
  add_objects(stats);
  add_pages(stats);
  pauses_add(stats);
  if (stop) start_the_world(sched.nprocs.load(std::memory_order_relaxed));
}

}  // namespace
}  // namespace rt

MemStats mem_stats() {
  MemStats stats;
  if (rt::on_foreign_thread()) {
    rt::on_goroutine([&] { rt::collect_stats(&stats); });
  } else {
    rt::require_goroutine("mem_stats");
    rt::collect_stats(&stats);
  }
  return stats;
}

uint64_t free_os_memory() { return rt::scavenge_all(); }

}  // namespace reprise
