// The protocol of semaphores: who counts, looks and waits in which order.
//
// No lost wake-up: the waiter counts itself in nwait and then looks at *addr; the releaser adds to
// *addr and then looks at nwait. All four are sequentially consistent, so at least one of the two
// sees the other (Dekker): the waiter finds the token, or the releaser finds the waiter and takes
// the lock, under which the waiter is queued before it parks.
//
// What a releaser touches after it gave the token is the root, and the waiter's record under the
// root's lock; the word itself only if a waiter that it found still queues for it (hand-off). So a
// waiter that came through may free the word at once.
//
// Templates, so that tests/model explores this source. Root provides lock, nwait, and under the
// lock queue(waiter, lifo) and dequeue(addr), null if nobody waits for it. A waiter has g and
// handed_off, which is written under the lock before the waiter is readied, and read after.
//
// Thread safety: any. semacquire_on parks the G.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace reprise::rt {

// Acquire is part of it: what the releaser did before it gave the token happens before what we do.
template <class Word>
bool cansemacquire(Word* addr) {
  uint32_t v = addr->load(std::memory_order_seq_cst);
  while (v != 0) {
    if (addr->compare_exchange_weak(v, v - 1, std::memory_order_seq_cst)) return true;
  }
  return false;
}

// park() parks the goroutine, having it published under root.lock, and releases the lock.
template <class Root, class Word, class Waiter, class Park>
void semacquire_on(Root& root, Word* addr, Waiter* waiter, bool lifo, Park park) {
  for (;;) {
    root.lock.lock();
    root.nwait.fetch_add(1, std::memory_order_seq_cst);
    if (cansemacquire(addr)) {
      root.nwait.fetch_sub(1, std::memory_order_relaxed);
      root.lock.unlock();
      return;
    }
    root.queue(waiter, lifo);
    park();
    if (waiter->handed_off || cansemacquire(addr)) return;
  }
}

template <class G>
struct SemaWoken {
  G* gp;            // the caller's to ready; null: nobody waited
  bool handed_off;  // it holds the token already
};

template <class Root, class Word>
auto semrelease_on(Root& root, Word* addr, bool handoff) {
  using Woken = SemaWoken<std::remove_reference_t<decltype(*root.dequeue(addr)->g)>>;
  addr->fetch_add(1, std::memory_order_seq_cst);
  if (root.nwait.load(std::memory_order_seq_cst) == 0) return Woken{nullptr, false};
  root.lock.lock();
  auto* waiter = root.dequeue(addr);
  if (waiter == nullptr) {  // others of this root wait, or ours took the token meanwhile
    root.lock.unlock();
    return Woken{nullptr, false};
  }
  // Relaxed: under the lock; it only stops further releasers from looking.
  root.nwait.fetch_sub(1, std::memory_order_relaxed);
  if (handoff && cansemacquire(addr)) waiter->handed_off = true;
  const Woken woken{waiter->g, waiter->handed_off};
  root.lock.unlock();
  return woken;
}

}  // namespace reprise::rt
