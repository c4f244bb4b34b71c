// The next free slot of a span: 64 bits of allocBits at a time.
//
// Invariant: a bit of allocCache is set only if slot freeindex + i is free and there is such a slot, in the word that freeindex is in; if
// any is set, those of all such slots are. So the fast path asks nothing more of one that is set. Where freeindex has come to a word's
// start the cache may be empty because the word was not looked at yet. The heap profile keeps slots behind back from the fast path, and
// gives them back before it comes here (HeapSampler).
//
// Types: most spans hold objects of one type, and then an object's birth writes nothing but itself. With the second type the table is
// filled for all.
#include "runtime/mem/mspan.h"

#include <algorithm>
#include <bit>

#include "runtime/type/type.h"

namespace reprise::rt {

namespace {
constexpr Type many{};
}  // namespace

constinit const Type* const kManyTypes = &many;

void MSpan::noteOtherType(uint32_t index, const Type* type) {
  const Type* const only = only_type.load(std::memory_order_relaxed);
  if (only == nullptr) return only_type.store(type, std::memory_order_release);
  if (only != kManyTypes) std::fill_n(types, nelems, only);
  types[index] = type;
  only_type.store(kManyTypes, std::memory_order_release);
}

uint32_t MSpan::nextFreeIndex() {
  while (freeindex < nelems) {
    if (allocCache == 0 && freeindex % 64 == 0) refillAllocCache();
    if (allocCache != 0) {
      const auto skip = static_cast<uint32_t>(std::countr_zero(allocCache));
      const uint32_t index = freeindex + skip;
      freeindex = index + 1;
      allocCache = allocCache >> skip >> 1;
      return index;
    }
    freeindex = (freeindex / 64 + 1) * 64;
  }
  freeindex = nelems;
  allocCache = 0;
  return nelems;
}

}  // namespace reprise::rt
