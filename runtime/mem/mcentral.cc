// Central lists of spans, and the sweeping of one span.
//
// Invariants: a span in use is in exactly one place: a set, a cache, or the hands of one thread. In the swept sets are
// spans with sweepgen sg, in the unswept ones those with sg - 2. A span in a partial set has a free slot (allocCount < nelems).
//
// A cache that asks for a span takes a swept one with room; else sweeps one that had room before; else sweeps full ones, but
// only so many, since most will still be full; else the heap grows. Sweeping what one is about to use is what spreads the
// cost of a sweep (the reference's order).
#include "runtime/mem/mcentral.h"

#include <bit>
#include <utility>

#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mcache.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

constinit MCentral mcentrals[kNumSpanClasses];

namespace {

// Full spans that are swept in vain before the heap grows instead.
constexpr int kSweepBudget = 100;

uint32_t current_sweepgen() { return mheap_.sweepgen.load(std::memory_order_acquire); }

// Sequentially consistent, and before the pop: who finds the sets empty and nobody counted knows that all is swept.
class Sweeper {
 public:
  Sweeper() { mheap_.sweepers.fetch_add(1); }
  ~Sweeper() { mheap_.sweepers.fetch_sub(1); }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;
};

uint32_t count_marked(const MSpan* s) {
  uint32_t marked = 0;
  for (uint32_t i = 0; i < s->mark_words(); ++i) {
    marked += static_cast<uint32_t>(std::popcount(s->gcmarkBits[i].load(std::memory_order_relaxed)));
  }
  return marked;
}

// Tells of each object that dies, which only debugging asks for.
void tell_freed(MSpan* s) {
  for (uint32_t i = 0; i < s->nelems; ++i) {
    if (s->isAllocated(i) && !s->isMarked(i)) heap_hooks.freed(s, i);
  }
}

void count_freed(const MSpan* s, size_t objects) {
  const uint8_t size_class = s->spanclass.sizeclass();
  if (size_class != 0) {
    mheap_.freed_small[size_class].fetch_add(objects, std::memory_order_relaxed);
  } else {
    mheap_.freed_large.fetch_add(objects, std::memory_order_relaxed);
    mheap_.freed_large_bytes.fetch_add(objects * s->elemsize, std::memory_order_relaxed);
  }
}

// What was marked is what is allocated; the next cycle marks on clean bits.
void turn_bits(MSpan* s, uint32_t marked) {
  std::swap(s->allocBits, s->gcmarkBits);
  for (uint32_t i = 0; i < s->mark_words(); ++i) s->gcmarkBits[i].store(0, std::memory_order_relaxed);
  s->allocCount = marked;
  s->freeindex = 0;
  s->freeIndexForScan.store(0, std::memory_order_release);
  s->refillAllocCache();
  s->needzero = true;
  if (marked == 0) s->only_type.store(nullptr, std::memory_order_relaxed);
}

MSpan* grow(SpanClass spanclass) {
  const HeapSizeClass& c = kHeapClasses[spanclass.sizeclass()];
  return mheap_alloc(c.pages, spanclass);
}

}  // namespace

void acquire_to_sweep(MSpan* s, uint32_t sweepgen) {
  uint32_t expected = sweepgen - 2;
  if (!s->sweepgen.compare_exchange_strong(expected, sweepgen - 1)) throw_("sweep: the span is not to be swept");
}

Swept sweep_span(MSpan* s, bool keep) {
  const uint32_t sweepgen = current_sweepgen();
  if (s->sweepgen.load(std::memory_order_relaxed) != sweepgen - 1) throw_("sweep: the span was not acquired");
  if (heap_hooks.before_sweep != nullptr) heap_hooks.before_sweep(s);
  if (heap_hooks.freed != nullptr) tell_freed(s);
  const uint32_t marked = count_marked(s);
  if (marked > s->allocCount) throw_("sweep increased allocation count");
  Swept swept{s->allocCount - marked, 0};
  count_freed(s, swept.objects_freed);
  if (marked == 0 && !keep) {
    swept.pages_freed = s->npages;
    mheap_free(s);
    return swept;
  }
  turn_bits(s, marked);
  s->sweepgen.store(sweepgen, std::memory_order_release);
  MCentral& central = mcentrals[s->spanclass.index()];
  if (!keep) push_span(marked == s->nelems ? central.fullSwept(sweepgen) : central.partialSwept(sweepgen), s);
  return swept;
}

MSpan* MCentral::sweepPartial(uint32_t sweepgen) {
  MSpan* const s = pop_span(partialUnswept(sweepgen));
  if (s == nullptr) return nullptr;
  acquire_to_sweep(s, sweepgen);
  sweep_span(s, true);
  return s;
}

MSpan* MCentral::sweepFull(uint32_t sweepgen, int budget) {
  for (; budget > 0; --budget) {
    MSpan* const s = pop_span(fullUnswept(sweepgen));
    if (s == nullptr) return nullptr;
    acquire_to_sweep(s, sweepgen);
    sweep_span(s, true);
    if (s->allocCount < s->nelems) return s;
    push_span(fullSwept(sweepgen), s);
  }
  return nullptr;
}

MSpan* MCentral::cacheSpan(SpanClass spanclass) {
  if (heap_hooks.sweep_credit != nullptr) {
    heap_hooks.sweep_credit(kHeapClasses[spanclass.sizeclass()].pages * kHeapPageBytes);
  }
  if (mheap_.spans_lost) find_lost_spans();
  const uint32_t sweepgen = current_sweepgen();
  if (MSpan* const s = pop_span(partialSwept(sweepgen))) return s;
  if (!partialUnswept(sweepgen).empty() || !fullUnswept(sweepgen).empty()) {
    const Sweeper counted;
    if (MSpan* const s = sweepPartial(sweepgen)) return s;
    if (MSpan* const s = sweepFull(sweepgen, kSweepBudget)) return s;
  }
  return grow(spanclass);
}

void MCentral::uncacheSpan(MSpan* s) {
  const uint32_t sweepgen = current_sweepgen();
  push_span(s->allocCount == s->nelems ? fullSwept(sweepgen) : partialSwept(sweepgen), s);
}

void MCentral::clear() {
  for (SpanSet& set : partial_) set.clear();
  for (SpanSet& set : full_) set.clear();
}

// Nobody puts a span into an unswept set before sweepgen is raised: one that was seen empty is not looked at again. Late stores of
// several sweepers may take sweep_from back, which costs a look; none is as late as the next sweep, since sweepers have a P.
size_t sweepone() {
  const Sweeper counted;
  if (mheap_.spans_lost) find_lost_spans();
  const uint32_t sweepgen = current_sweepgen();
  const uint32_t from = mheap_.sweep_from.load(std::memory_order_relaxed);
  for (uint32_t i = from; i < kNumSpanClasses; ++i) {
    MCentral& central = mcentrals[i];
    for (SpanSet* set : {&central.fullUnswept(sweepgen), &central.partialUnswept(sweepgen)}) {
      MSpan* const s = set->empty() ? nullptr : pop_span(*set);
      if (s == nullptr) continue;
      if (i != from) mheap_.sweep_from.store(i, std::memory_order_relaxed);
      acquire_to_sweep(s, sweepgen);
      return sweep_span(s, false).pages_freed;
    }
  }
  mheap_.sweep_from.store(kNumSpanClasses, std::memory_order_relaxed);
  return SIZE_MAX;
}

bool sweep_is_done() {
  const uint32_t sweepgen = current_sweepgen();
  for (MCentral& central : mcentrals) {
    if (!central.fullUnswept(sweepgen).empty() || !central.partialUnswept(sweepgen).empty()) return false;
  }
  return mheap_.sweepers.load() == 0;
}

void spans_may_be_lost() { mheap_.spans_lost = true; }

namespace {

bool is_cached(const MSpan* s) {
  const P* pp = getp();
  return pp != nullptr && pp->mcache != nullptr && pp->mcache->alloc[s->spanclass.index()] == s;
}

// Whoever swept it may have been anywhere: what either set of bits has is kept until the next cycle.
void finish_lost_sweep(MSpan* s, uint32_t sweepgen) {
  for (uint32_t i = 0; i < s->mark_words(); ++i) {
    const uint64_t both = s->allocBits[i].load(std::memory_order_relaxed) | s->gcmarkBits[i].load(std::memory_order_relaxed);
    s->allocBits[i].store(both, std::memory_order_relaxed);
    s->gcmarkBits[i].store(0, std::memory_order_relaxed);
  }
  s->sweepgen.store(sweepgen, std::memory_order_relaxed);
}

}  // namespace

// A span that was in another P's cache is as its owner's stores left it, in their order: what it had handed out is taken.
// As full, it hands out nothing more before it is swept. Its count must not be short of what may be marked.
void find_lost_spans() {
  mheap_.spans_lost = false;
  const uint32_t sweepgen = current_sweepgen();
  for (MCentral& central : mcentrals) central.clear();
  mheap_.sweep_from.store(0, std::memory_order_relaxed);
  mheap_.sweepers.store(0, std::memory_order_relaxed);
  each_span([&](MSpan* s) {
    if (is_cached(s)) return;
    MCentral& central = mcentrals[s->spanclass.index()];
    s->allocCount = s->nelems;
    if (s->sweepgen.load(std::memory_order_relaxed) == sweepgen - 2) return push_span(central.fullUnswept(sweepgen), s);
    if (s->sweepgen.load(std::memory_order_relaxed) == sweepgen - 1) finish_lost_sweep(s, sweepgen);
    push_span(central.fullSwept(sweepgen), s);
  });
}

}  // namespace reprise::rt
