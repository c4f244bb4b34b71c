// The word of a futex-based lock, after Drepper's "Futexes are tricky": 0 free, 1 held, 2 held and
// somebody may sleep.
//
// Invariant: the word is 2 whenever a thread sleeps on it. A thread that slept takes the lock as 2,
// since it cannot know whether others still sleep; one superfluous wake is the price.
//
// No lost wake-up: a thread sleeps only if the word is still 2 when the kernel looks; whoever
// exchanges that 2 for 0 wakes one, who takes the lock as 2, and so wakes the next.
//
// Templates over word and kernel, so that tests/model explores this source. Kernel provides
//   kSpins, pause()          how often a held lock is looked at before the thread sleeps
//   wait(word, value)        FUTEX_WAIT; may return for no reason
//   wake(word)               FUTEX_WAKE of one
//
// Thread safety: any thread. Blocks the M.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

// Acquire: what the last holder did is visible. Release: to the next. Neither needs more.
template <class Word, class Kernel>
void lock_word_slow(Word& word, Kernel& kernel) {
  for (int i = 0; i < Kernel::kSpins; ++i) {
    // Looked at first, since an exchange that fails takes the cache line from the holder too.
    uint32_t free = 0;
    if (word.load(std::memory_order_relaxed) == 0 &&
        word.compare_exchange_weak(free, 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      return;
    }
    kernel.pause();
  }
  while (word.exchange(2, std::memory_order_acquire) != 0) kernel.wait(word, 2);
}

template <class Word>
bool try_lock_word(Word& word) {
  uint32_t free = 0;
  return word.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed);
}

template <class Word, class Kernel>
void lock_word(Word& word, Kernel& kernel) {
  if (!try_lock_word(word)) [[unlikely]] lock_word_slow(word, kernel);
}

// False: it was not locked. Whoever takes the lock next may free the object that the word lies in:
// after the exchange the wake needs the address alone.
template <class Word, class Kernel>
bool unlock_word(Word& word, Kernel& kernel) {
  const uint32_t was = word.exchange(0, std::memory_order_release);
  if (was == 2) [[unlikely]] kernel.wake(word);
  return was != 0;
}

}  // namespace reprise::rt
