// Waiters of a channel, first in, first out, and who wins a goroutine that waits on several.
//
// Guard: the channel's lock, but for load_first(). A goroutine in a select is on the queues of several
// channels, under several locks; its word select_done is 0 only while it may be woken, and the first
// waker to turn it into 1 has it. The others find its sudogs and drop them. The goroutine resets the word
// when it enqueues itself anew, with the locks of all its channels held, after it has taken all its
// sudogs off under all their locks.
//
// A template, so that tests/model explores this source. Sudog has next, prev, queued, is_select and g,
// whose goroutine has select_done.
//
// Thread safety: as said. Owns nothing.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/atomics.h"

namespace reprise::rt {

template <class Sudog, class Atomics = StdAtomics>
struct WaitqOf {
  typename Atomics::template Atomic<Sudog*> first{nullptr};  // stored under the lock
  typename Atomics::template Plain<Sudog*> last{nullptr};

  void enqueue(Sudog* sg) {
    sg->queued = true;
    sg->next = nullptr;
    sg->prev = last;
    if (Sudog* before = last) {
      before->next = sg;
    } else {
      store_first(sg);
    }
    last = sg;
  }

  // Nothing happens if sg is not queued.
  void remove(Sudog* sg) {
    if (!sg->queued) return;
    Sudog* const before = sg->prev;
    Sudog* const after = sg->next;
    if (before != nullptr) {
      before->next = after;
    } else {
      store_first(after);
    }
    if (after != nullptr) {
      after->prev = before;
    } else {
      last = before;
    }
    sg->next = nullptr;
    sg->prev = nullptr;
    sg->queued = false;
  }

  // The first waiter that can still be woken, off the queue; wins its select if it is in one.
  Sudog* dequeue() {
    while (Sudog* sg = first.load(std::memory_order_relaxed)) {
      remove(sg);
      if (!sg->is_select) return sg;
      // Acquire and release pair the winner with the select's own reset.
      uint32_t open = 0;
      if (sg->g->select_done.compare_exchange_strong(open, 1, std::memory_order_acq_rel,
                                                     std::memory_order_acquire)) {
        return sg;
      }
    }
    return nullptr;
  }

  // The same without taking it: null means that dequeue() would return null.
  Sudog* peek() {
    while (Sudog* sg = first.load(std::memory_order_relaxed)) {
      if (!sg->is_select || sg->g->select_done.load(std::memory_order_acquire) == 0) return sg;
      remove(sg);
    }
    return nullptr;
  }

  // Without the lock; the answer may be old.
  Sudog* load_first() const { return first.load(std::memory_order_acquire); }

 private:
  void store_first(Sudog* sg) { first.store(sg, std::memory_order_release); }
};

}  // namespace reprise::rt
