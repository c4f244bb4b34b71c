// The lock between the two that write to the program's stdout and stderr: its stage, and the parent,
// which passes on what children wrote. Whoever writes holds it until the write has its place among
// the records, so that a replay prints in the order in which the recording did.
//
// Thread safety: a futex word in memory that both map. Either side may be killed while it holds the
// lock, so waiting is by attempts of 100 ms and ends when `hopeless()` says that the other is gone.
// Freestanding: the caller brings its futex call.
#pragma once

#include <cstdint>

namespace reprise::tape {

// futex_wait(word, value) sleeps at most 100 ms; hopeless() is asked after each.
template <typename Wait, typename Hopeless>
void output_acquire(uint32_t* word, Wait&& futex_wait, Hopeless&& hopeless) {
  constexpr uint32_t kFree = 0, kHeld = 1, kAwaited = 2;
  uint32_t now = kFree;
  if (__atomic_compare_exchange_n(word, &now, kHeld, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(word, kAwaited, __ATOMIC_ACQUIRE) != kFree && !hopeless()) {
    futex_wait(word, kAwaited);
  }
}

template <typename Wake>
void output_release(uint32_t* word, Wake&& futex_wake) {
  constexpr uint32_t kAwaited = 2;
  if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == kAwaited) futex_wake(word);
}

}  // namespace reprise::tape
