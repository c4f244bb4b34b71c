// The table of itabs: open-addressed, read without a lock, never shrunk, nothing in it ever freed.
//
// Triangular steps over a power of two of entries, at most three quarters of them taken, so a search ends. Under the
// lock one thread at a time adds; readers search meanwhile. The orders:
//
//  - An entry is stored with release after the itab is built, and loaded with acquire: who finds it sees it built.
//  - An entry never changes once it is not null. So a search that meets null where another thread adds at that
//    moment has missed nothing that was there when it began; it reports a miss, and its caller looks again under the
//    lock before it adds. That is what makes an itab the only one of its pair.
//  - A table that is full is copied into one of twice the size, which is published with release when it holds
//    everything. A reader that still has the old one misses what was added since, and looks again under the
//    lock. The old table stays: a reader may be in it. All old ones together are smaller than the one in use.
//
// A template over atomics, lock and entries, so that tests/model explores this source. Traits has
//   Key; Entry; key(const Entry&); matches(const Entry&, Key); hash(Key)
//   make(size) -> Table*, all entries null; drop(Table*), of one that was never published
#pragma once

#include <atomic>
#include <cstddef>

namespace reprise::rt {

template <class A, class Entry>
struct ItabArray {
  size_t mask;                                   // size - 1
  typename A::template Plain<size_t> count = 0;  // under the lock
  typename A::template Atomic<Entry*>* entries;
  ItabArray* older = nullptr;  // readers may still be in it: kept, all of them together smaller than this one
};

template <class A, class Lock, class Traits>
class ItabTable {
 public:
  using Key = typename Traits::Key;
  using Entry = typename Traits::Entry;
  using Array = ItabArray<A, Entry>;

  template <class... LockArguments>
  constexpr explicit ItabTable(Array* first, LockArguments... lock) : current_(first), lock_(lock...) {}

  // Null: not there, or added a moment ago.
  Entry* find(Key key) {
    // Acquire: the array's fields and what was copied into it.
    return find_in(*current_.load(std::memory_order_acquire), key);
  }

  // Adds it unless its pair is there already; returns the one that is in the table.
  Entry* add(Entry* fresh) {
    Array* spare = nullptr;
    for (;;) {
      lock_.lock();
      // Relaxed: written under the lock only.
      Array& array = *current_.load(std::memory_order_relaxed);
      const size_t size = array.mask + 1;
      Entry* found = find_in(array, Traits::key(*fresh));
      if (found == nullptr && 4 * (array.count + 1) <= 3 * size) {
        put(array, found = fresh);
      } else if (found == nullptr && spare != nullptr && spare->mask > array.mask) {
        grow(array, spare, found = fresh);
        spare = nullptr;
      }
      lock_.unlock();
      if (spare != nullptr) Traits::drop(spare);
      if (found != nullptr) return found;
      spare = Traits::make(size * 2);  // not under the lock: it allocates
    }
  }

  size_t count_for_test() {
    lock_.lock();
    const size_t count = current_.load(std::memory_order_relaxed)->count;
    lock_.unlock();
    return count;
  }

 private:
  static Entry* find_in(Array& array, Key key) {
    size_t at = Traits::hash(key) & array.mask;
    for (size_t step = 1;; ++step) {
      Entry* const entry = array.entries[at].load(std::memory_order_acquire);
      if (entry == nullptr || Traits::matches(*entry, key)) return entry;
      at = (at + step) & array.mask;
    }
  }

  static void put(Array& array, Entry* entry) {
    size_t at = Traits::hash(Traits::key(*entry)) & array.mask;
    // Relaxed: written under the lock only.
    for (size_t step = 1; array.entries[at].load(std::memory_order_relaxed) != nullptr; ++step) {
      at = (at + step) & array.mask;
    }
    array.entries[at].store(entry, std::memory_order_release);
    array.count = array.count + 1;
  }

  void grow(Array& old, Array* bigger, Entry* fresh) {
    for (size_t i = 0; i <= old.mask; ++i) {
      if (Entry* const entry = old.entries[i].load(std::memory_order_relaxed)) put(*bigger, entry);
    }
    put(*bigger, fresh);
    bigger->older = &old;
    current_.store(bigger, std::memory_order_release);
  }

  typename A::template Atomic<Array*> current_;
  Lock lock_;
};

}  // namespace reprise::rt
