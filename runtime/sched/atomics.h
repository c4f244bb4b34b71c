// The family of atomics that lock-free sources of the scheduler are written over.
//
// What runs in production is StdAtomics: the standard's types, nothing between. The explorer of
// tests/model instantiates the very same sources with a family whose every operation is a
// scheduling point and whose loads may return every value that the C++ memory model allows. A
// source that wants to be explored takes the family, or types made of it, as a template parameter
// and states the order of every operation; a default of sequential consistency hides the argument.
#pragma once

#include <atomic>

namespace reprise::rt {

struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  // Data that a lock, or an order stated beside it, protects; the explorer looks for races on it.
  template <class T>
  using Plain = T;

  static void fence(std::memory_order order) { std::atomic_thread_fence(order); }
};

}  // namespace reprise::rt
