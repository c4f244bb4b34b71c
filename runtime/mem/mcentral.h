// mcentral: the spans of one span class that no cache holds; and SpanSet, of which it is made.
//
// Four sets a class: spans with free slots (partial) and without (full), each swept and unswept. Which of two is
// the swept one is a bit of sweepgen, so that what is swept becomes unswept when the collector raises it, without a
// move. Large objects' spans lie in the full sets of class 0, so the sweeper finds every span by popping.
//
// Thread safety: any thread, lock-free.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/mem/mheap.h"
#include "runtime/mem/mspan.h"
#include "runtime/mem/span_set.h"
#include "runtime/sched/atomics.h"

namespace reprise::rt {

using SpanSet = SpanSetOf<StdAtomics>;

class MCentral {
 public:
  // A swept span with a free slot, in no set, for a cache; sweeps some if need be. Null: out of memory.
  MSpan* cacheSpan(SpanClass spanclass);
  // The span comes back from a cache.
  void uncacheSpan(MSpan* s);

  SpanSet& partialSwept(uint32_t sweepgen) { return partial_[sweepgen / 2 % 2]; }
  SpanSet& partialUnswept(uint32_t sweepgen) { return partial_[1 - sweepgen / 2 % 2]; }
  SpanSet& fullSwept(uint32_t sweepgen) { return full_[sweepgen / 2 % 2]; }
  SpanSet& fullUnswept(uint32_t sweepgen) { return full_[1 - sweepgen / 2 % 2]; }

 private:
  MSpan* sweep_for(SpanSet& unswept, uint32_t sweepgen, int* budget);

  SpanSet partial_[2];
  SpanSet full_[2];
};

extern MCentral mcentrals[kNumSpanClasses];

// Sweeps one span. REQUIRES: it was popped from an unswept set, by the caller, who made its sweepgen sg - 1 (try_acquire_sweep).
// Marked objects stay; the span ends in the swept set that it belongs to, or, empty, goes back to the heap. If `keep` is
// set the span stays with the caller, in no set, whatever is left in it. Returns the number of objects freed, and in
// *freed_span whether the span is gone. HeapHooks::before_sweep is called first.
size_t sweep_span(MSpan* s, bool keep, bool* freed_span);
// True: the caller is the one to sweep it.
bool try_acquire_sweep(MSpan* s, uint32_t sweepgen);
// Pops an unswept span of any class and sweeps it. Returns the pages given back, or SIZE_MAX when there is nothing left to sweep.
// Spans that others are sweeping may still be under way.
size_t sweepone();

}  // namespace reprise::rt
