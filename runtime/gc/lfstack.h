// A lock-free stack of numbered nodes: work buffers of the collector, full and empty.
//
// The head is one word: a node's number below, a count of pushes above. A pop reads the head, then the node's `next`, and
// swings the head by compare-and-swap. The node may have been popped, used and pushed again in between; then the count
// is another, and the swap fails (ABA). It would take 2^32 pushes between one thread's two instructions to go wrong.
// Nodes are never unmapped, so reading `next` of one that is somebody else's by now reads a stale number, no more.
//
// Order: a push releases what its thread wrote to the node; the pop that takes it acquires that through the head. A push
// that goes on a chain of others keeps their release alive: compare-and-swaps on one word are a release sequence.
//
// A template over the atomics, so that tests/model explores this source (sched/atomics.h).
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

// Node: `number`, constant and not 0, and `Atomics::Atomic<uint32_t> next`. node_of(number) finds it.
template <class Atomics>
class LfStackOf {
 public:
  template <class Node>
  void push(Node* node) {
    uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      // Relaxed: published by the swap, and its reader's swap fails if it was too early.
      node->next.store(static_cast<uint32_t>(head), std::memory_order_relaxed);
      const uint64_t next = ((head >> 32) + 1) << 32 | node->number;
      if (head_.compare_exchange_weak(head, next, std::memory_order_release, std::memory_order_relaxed)) return;
    }
  }

  // Null if the stack is empty.
  template <class NodeOf>
  auto pop(NodeOf node_of) -> decltype(node_of(0u)) {
    uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const auto number = static_cast<uint32_t>(head);
      if (number == 0) return nullptr;
      auto* const node = node_of(number);
      const uint64_t next = (head >> 32) << 32 | node->next.load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, next, std::memory_order_acquire, std::memory_order_acquire)) return node;
    }
  }

  // Of some moment.
  bool empty() const { return static_cast<uint32_t>(head_.load(std::memory_order_acquire)) == 0; }

 private:
  typename Atomics::template Atomic<uint64_t> head_{0};
};

}  // namespace reprise::rt
