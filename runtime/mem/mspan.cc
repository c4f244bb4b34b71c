// The next free slot of a span: 64 bits of allocBits at a time.
//
// Invariant: bit i of allocCache tells whether slot freeindex + i is free, for the rest of the word that freeindex is in;
// bits beyond are 0. When freeindex comes to a word's start the cache holds that word whole, unless the span is full.
#include "runtime/mem/mspan.h"

#include <bit>

namespace reprise::rt {

uint32_t MSpan::nextFreeIndex() {
  while (freeindex < nelems) {
    if (allocCache != 0) {
      const auto skip = static_cast<uint32_t>(std::countr_zero(allocCache));
      const uint32_t index = freeindex + skip;
      if (index >= nelems) break;
      freeindex = index + 1;
      allocCache = skip == 63 ? 0 : allocCache >> (skip + 1);
      if (freeindex % 64 == 0 && freeindex < nelems) refillAllocCache();
      return index;
    }
    freeindex = (freeindex / 64 + 1) * 64;
    if (freeindex < nelems) refillAllocCache();
  }
  freeindex = nelems;
  allocCache = 0;
  return nelems;
}

}  // namespace reprise::rt
