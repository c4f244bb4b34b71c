// SpanSet: a set of spans that any thread puts into and takes from without a lock; last in, first out.
//
// A stack linked through the spans themselves, by their numbers, so that it never needs memory. A span is in one set at
// most. The head is one word: the number of the span on top, and above it a count of pushes.
//
// Why the count: between a popper's look at the top span's link and its swap of the head, others may pop that span, pop the
// one below, and push the first again. Without the count the swap would succeed and bring the one below back, which is
// somebody's now. The count makes the swap fail; it comes round after 2^32 pushes within one such moment.
//
// Orders. A popper sees what the pusher wrote to the span: push swaps with release, pop looks with acquire, and swaps in between are
// read-modify-writes, so they stay in the push's release sequence. A pop swaps with release too: who finds the set empty (acquire)
// sees what the last popper did before, which is how the end of sweeping is told (mcentral.h). The link is read after the head and may be of a later push;
// then the head has changed too. Everything else is relaxed. A popped span's link is read by slow poppers until they have
// lost, hence atomic; descriptors are never unmapped.
//
// A template over its atomics and over where the links lie, so that tests/model runs this source (span_set_model_test). Links
// provides `set_next(number)`, the atomic link of a span.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

template <class Atomics>
class SpanSetOf {
 public:
  // REQUIRES: the span is in no set, and number is not 0.
  template <class Links>
  void push(Links&& links, uint32_t number) {
    uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      links.set_next(number).store(static_cast<uint32_t>(head), std::memory_order_relaxed);
      const uint64_t pushed = ((head >> 32) + 1) << 32 | number;
      if (head_.compare_exchange_weak(head, pushed, std::memory_order_release, std::memory_order_relaxed)) return;
    }
  }

  // 0: it was empty at some moment.
  template <class Links>
  uint32_t pop(Links&& links) {
    uint64_t head = head_.load(std::memory_order_acquire);
    while (static_cast<uint32_t>(head) != 0) {
      const auto top = static_cast<uint32_t>(head);
      const uint32_t below = links.set_next(top).load(std::memory_order_relaxed);
      const uint64_t popped = (head >> 32) << 32 | below;
      if (head_.compare_exchange_weak(head, popped, std::memory_order_acq_rel, std::memory_order_acquire)) return top;
    }
    return 0;
  }

  bool empty() const { return static_cast<uint32_t>(head_.load(std::memory_order_acquire)) == 0; }

  // Forgets what is in it. REQUIRES: nobody else uses it.
  void clear() { head_.store(0, std::memory_order_relaxed); }

 private:
  typename Atomics::template Atomic<uint64_t> head_{0};
};

}  // namespace reprise::rt
