// The word of a note: kNoteClear, kNoteSet, or kNoteSleeping when its owner may be in the kernel, so that
// setting a note before its owner sleeps costs no system call.
//
// No lost wake-up: the kernel compares the word with kNoteSleeping before it sleeps, and a waker that
// turned it into kNoteSet from kNoteSleeping makes the call that wakes. Acquire and release pair the
// two sides; the kernel is not asked to order anything.
//
// Templates over word and kernel, so that tests/model explores this source. Kernel provides
//   wait(word, value)    FUTEX_WAIT, perhaps with a limit of time; may return for no reason
//   wake(word)           FUTEX_WAKE of one
//
// One sleeper; one wake-up for each sleep, and the next after that sleep has returned. With more of
// them one may be taken for another, which is only right for a sleeper that looks round anyway.
// Thread safety: any thread. Blocks the M.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

inline constexpr uint32_t kNoteClear = 0;
inline constexpr uint32_t kNoteSet = 1;
inline constexpr uint32_t kNoteSleeping = 2;

// False if it is set already; then it has been cleared.
template <class Word>
bool note_word_announce(Word& word) {
  uint32_t seen = kNoteClear;
  if (word.compare_exchange_strong(seen, kNoteSleeping, std::memory_order_acquire,
                                   std::memory_order_acquire)) {
    return true;
  }
  word.store(kNoteClear, std::memory_order_relaxed);  // set once per sleep: nobody else writes now
  return false;
}

template <class Word, class Kernel>
void note_word_sleep(Word& word, Kernel& kernel) {
  if (!note_word_announce(word)) return;
  while (word.load(std::memory_order_acquire) == kNoteSleeping) kernel.wait(word, kNoteSleeping);
  word.store(kNoteClear, std::memory_order_relaxed);
}

// Sleeps once, for as long as kernel.wait() does. False if nobody has set it.
template <class Word, class Kernel>
bool note_word_sleep_once(Word& word, Kernel& kernel) {
  if (!note_word_announce(word)) return true;
  kernel.wait(word, kNoteSleeping);
  // Takes the announcement back, or learns that the wake-up came.
  return word.exchange(kNoteClear, std::memory_order_acquire) == kNoteSet;
}

template <class Word, class Kernel>
void note_word_wakeup(Word& word, Kernel& kernel) {
  if (word.exchange(kNoteSet, std::memory_order_release) == kNoteSleeping) kernel.wake(word);
}

}  // namespace reprise::rt
