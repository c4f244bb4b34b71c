// The word on which a reader or a writer of a descriptor parks: a binary semaphore.
//
//   pdNil    nothing is pending,
//   pdReady  readiness was reported and not yet consumed,
//   pdWait   a goroutine is about to park,
//   else     that goroutine is parked.
// A goroutine goes pdNil -> pdWait -> itself, or consumes pdReady -> pdNil; netpoll, deadlines and
// close turn pdNil into pdReady (netpoll only), or pdWait and the goroutine into pdReady or pdNil; who
// takes a goroutine out owns its wake-up.
//
// No lost wake-up by a deadline or a close: they publish their state and then look at the word; the
// waiter announces itself with pdWait and then looks at their state. Both sides are sequentially
// consistent, so one of them sees the other.
//
// Templates, so that tests/model explores this source. At most one waiter at a time.
//
// Thread safety: any. poll_word_wait parks the G.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/proc.h"

namespace reprise::rt {

inline constexpr uintptr_t pdNil = 0;
inline constexpr uintptr_t pdReady = 1;
inline constexpr uintptr_t pdWait = 2;

// Publishes the goroutine that has announced itself, as the commit of its park. False: it must not
// park, somebody was here in between.
template <class Word>
bool poll_word_park(Word& word, uintptr_t gp) {
  uintptr_t expected = pdWait;
  return word.compare_exchange_strong(expected, gp, std::memory_order_acq_rel);
}

// Waits. True: readiness; false: go and look why. may_park(): neither closing nor past the deadline;
// park() parks with poll_word_park as its commit.
template <class Word, class MayPark, class Park>
bool poll_word_wait(Word& word, MayPark may_park, Park park) {
  for (;;) {
    uintptr_t expected = word.load();  // mostly pdNil: an exchange that fails costs as much as one that does not
    if (expected == pdReady && word.compare_exchange_strong(expected, pdNil)) return true;
    expected = pdNil;
    if (word.compare_exchange_strong(expected, pdWait)) break;
    if (expected != pdReady && expected != pdNil) throw_("runtime: double wait on a descriptor");
  }
  if (may_park()) park();
  const uintptr_t old = word.exchange(pdNil);
  if (old > pdWait) throw_("runtime: corrupted polldesc");
  return old == pdReady;
}

// Takes the waiter out, if there is one, and leaves readiness behind if ioready. 0: nobody is parked.
template <class Word>
uintptr_t poll_word_take(Word& word, bool ioready) {
  uintptr_t old = word.load();
  for (;;) {
    if (old == pdReady) return 0;
    if (old == pdNil && !ioready) return 0;
    if (word.compare_exchange_weak(old, ioready ? pdReady : pdNil)) break;
  }
  return old > pdWait ? old : 0;
}

}  // namespace reprise::rt
