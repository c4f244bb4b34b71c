// MapReferences: who holds a table of a map, which is the map itself and each iterator that is in it.
//
// Thread safety: atomic, though maps are not: several goroutines may iterate over one at a time, since that only reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

class MapReferences {
 public:
  // Relaxed: the caller found the table in the map, or holds it.
  void add() { count_.fetch_add(1, std::memory_order_relaxed); }

  // True: it was the last. Release and acquire: what the others read, they read before it is freed.
  bool drop() { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

  // Acquire, for the same reason: who is alone may change what the others were reading.
  bool single() const { return count_.load(std::memory_order_acquire) == 1; }

 private:
  std::atomic<uint32_t> count_{1};
};

}  // namespace reprise::rt
