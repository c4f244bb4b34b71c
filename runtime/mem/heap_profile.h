// Sampling of allocations: what the allocator asks, and the table of stacks. <reprise/heap_profile.h> has the face.
//
// Thread safety: as stated.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/mem/mspan.h"

namespace reprise::rt {

// Relaxed: a cache that sees a new setting late samples by the old one for some objects.
struct HeapProfileSetting {
  std::atomic<size_t> rate{0};
  std::atomic<uint32_t> epoch{0};  // raised with each setting; caches draw anew
  std::atomic<uint64_t> seed{0};
};
extern HeapProfileSetting heap_profile_setting;

// What a cache knows of the next sample of each span class; owner: who has the P. Classes sample independently, which comes to the same as
// counting all their bytes together: the gaps are exponential.
class HeapSampler {
 public:
  bool used() const { return epoch_ != 0; }

  // Before a slot of `s` is taken, or `s` leaves its cache: slots that were kept back from the fast path come back, and what
  // the fast path took is counted.
  void before(SpanClass spanclass, MSpan* s);
  // `s` has come into the cache.
  void came(SpanClass spanclass, const MSpan* s) { seen_[spanclass.index()] = s->allocCount; }
  // Of the object of `s` that is being made and not counted in allocCount yet: whether it is sampled. The fast path then gets no
  // more slots than there are before the next one.
  bool take(SpanClass spanclass, MSpan* s);
  bool take_large(size_t bytes);

 private:
  bool follow_setting();
  // Bytes to the next sample.
  double draw(size_t rate);

  uint32_t epoch_ = 0;  // of the setting that this follows; 0: none ever was
  uint64_t random_ = 0;
  int64_t until_[kNumSpanClasses] = {};    // objects before the one that is sampled; negative: to be drawn
  uint32_t seen_[kNumSpanClasses] = {};    // allocCount when it was last looked at
};

// An allocation with the same stack as others: counts. Never freed.
struct HeapBucket;

// Notes a sampled object, which is complete, with the caller's stack, and that it is to be told of when it is freed. With a P.
void heap_profile_sample(void* object, size_t bytes);
// A sampled object was freed. Any thread.
void heap_profile_freed(HeapBucket* bucket, size_t bytes);

}  // namespace reprise::rt
