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

  void clear();

 private:
  MSpan* sweepPartial(uint32_t sweepgen);
  MSpan* sweepFull(uint32_t sweepgen, int budget);

  SpanSet partial_[2];
  SpanSet full_[2];
};

extern MCentral mcentrals[kNumSpanClasses];

// Where SpanSet finds the links of spans.
struct SpanLinks {
  std::atomic<uint32_t>& set_next(uint32_t number) { return span_numbered(number)->set_next; }
};
inline void push_span(SpanSet& set, MSpan* s) { set.push(SpanLinks(), s->number); }
inline MSpan* pop_span(SpanSet& set) {
  const uint32_t number = set.pop(SpanLinks());
  return number != 0 ? span_numbered(number) : nullptr;
}

// Sweeps one span. REQUIRES: the caller popped it from an unswept set and made its sweepgen sg - 1 (acquire_to_sweep).
// Marked objects stay; the span ends in the swept set that it belongs to or, empty, goes back to the heap. If `keep` is
// set it stays with the caller, in no set, whatever is left in it. HeapHooks::before_sweep is called first.
struct Swept {
  size_t objects_freed = 0;
  size_t pages_freed = 0;  // not 0: the span is gone
};
Swept sweep_span(MSpan* s, bool keep);
// From sg - 2 to sg - 1. Fatal if it is not to be swept: it was popped, so nobody else may have swept it.
void acquire_to_sweep(MSpan* s, uint32_t sweepgen);
// Pops an unswept span of any class and sweeps it. Returns the pages given back, or SIZE_MAX when there is nothing left to pop;
// then spans may still be in the hands of other sweepers.
size_t sweepone();
// Nothing is left to sweep, and nobody sweeps. Any thread; stays true until sweepgen is raised.
bool sweep_is_done();

// In the child of a fork: spans that other threads had in hand are in no set and no cache. They are put into sets, as full, by the
// next refill or cycle. REQUIRES: one thread.
void spans_may_be_lost();
void find_lost_spans();

}  // namespace reprise::rt
