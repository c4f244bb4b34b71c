// FlatMap: what policies know of goroutines and objects, by name, forgotten at once from run to run.
//
// Open addressing with linear probing; names are hashes already, so their bits are taken as they are. clear() starts
// a new generation and touches no memory: a run of a small test is some microseconds, and freeing a tree of
// priorities was half of them. Entries are not erased singly and are not iterated, so nothing depends on their
// order. A value that is made anew is value-initialised.
//
// Not thread-safe; a policy owns its own. References hold until at() makes another one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/seam/names.h"

namespace reprise::seam {

constexpr uint64_t bits_of(GoId goroutine) { return goroutine.lo; }
constexpr uint64_t bits_of(ObjectId object) { return object.name + mix(object.offset); }

template <class Key, class T>
class FlatMap {
 public:
  FlatMap() : slots_(16) {}

  // The value of this key, made if there is none.
  T& at(const Key& key) {
    Slot* slot = &slot_of(key);
    if (slot->generation == generation_) return slot->value;
    if (2 * ++size_ > slots_.size()) {
      grow();
      slot = &slot_of(key);
    }
    *slot = {key, {}, generation_};
    return slot->value;
  }

  // Null if there is none.
  const T* find(const Key& key) const {
    const Slot& slot = const_cast<FlatMap*>(this)->slot_of(key);
    return slot.generation == generation_ ? &slot.value : nullptr;
  }

  void clear() {
    ++generation_;
    size_ = 0;
  }

 private:
  struct Slot {
    Key key{};
    T value{};
    uint64_t generation = 0;
  };

  // Where the key is, or would be.
  Slot& slot_of(const Key& key) {
    const size_t mask = slots_.size() - 1;
    size_t i = bits_of(key) & mask;
    while (slots_[i].generation == generation_ && slots_[i].key != key) i = (i + 1) & mask;
    return slots_[i];
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.generation == generation_) slot_of(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  uint64_t generation_ = 1;
  size_t size_ = 0;
};

}  // namespace reprise::seam
