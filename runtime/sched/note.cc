// Notes over futexes.
//
// No lost wake-up: the kernel compares the word with kNoteSleeping before it sleeps, and a waker that
// turned it into kNoteSet from kNoteSleeping makes the call that wakes. Acquire and release pair the
// two sides; the kernel is not asked to order anything.
#include "runtime/sched/note.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// False if it is set already; then it has been cleared.
bool announce_sleep(Note* note) {
  uint32_t seen = kNoteClear;
  if (note->compare_exchange_strong(seen, kNoteSleeping, std::memory_order_acquire)) return true;
  note->store(kNoteClear, std::memory_order_relaxed);  // set once per sleep: nobody else writes now
  return false;
}

}  // namespace

void note_sleep(Note* note) {
  if (!announce_sleep(note)) return;
  while (note->load(std::memory_order_acquire) == kNoteSleeping) {
    sys::call(SYS_futex, note, FUTEX_WAIT_PRIVATE, kNoteSleeping, nullptr, nullptr, 0);
  }
  note->store(kNoteClear, std::memory_order_relaxed);
}

bool note_sleep_for(Note* note, int64_t limit_ns) {
  if (!announce_sleep(note)) return true;
  const timespec limit{limit_ns / kSecond, limit_ns % kSecond};
  sys::call(SYS_futex, note, FUTEX_WAIT_PRIVATE, kNoteSleeping, &limit, nullptr, 0);
  // Takes the announcement back, or learns that the wake-up came.
  return note->exchange(kNoteClear, std::memory_order_acquire) == kNoteSet;
}

void note_wakeup(Note* note) {
  if (note->exchange(kNoteSet, std::memory_order_release) == kNoteSleeping) {
    sys::call(SYS_futex, note, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace reprise::rt
