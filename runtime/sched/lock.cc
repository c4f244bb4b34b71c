// The runtime's internal lock: a futex word of three states, after Drepper's "Futexes are tricky".
//
// Invariant: word_ is 2 whenever a thread sleeps on it. A thread that slept takes the lock as 2,
// since it cannot know whether others still sleep; one superfluous wake is the price.
//
// Debug builds keep the ranks that a thread holds and refuse to take a lower one (an equal one
// only for channels, which select takes in a fixed order of its own). A report of a fatal error is
// exempt: it starts wherever the error was.
#include "runtime/sched/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

constexpr int kSpins = 30;

// The word is private to the process. Not through libc's syscall(): a goroutine's futex call parks
// (runtime/sys/futex.cc), and errno belongs to the goroutine, not to its locks.
void futex(std::atomic<uint32_t>* word, int op, uint32_t value) {
  sys::call(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

#ifndef NDEBUG
constexpr int kMaxHeld = 64;
thread_local LockRank held_ranks[kMaxHeld] __attribute__((tls_model("initial-exec")));
thread_local int held_count __attribute__((tls_model("initial-exec"))) = 0;

void note_acquired(LockRank rank) {
  if (held_count > 0 && !sched.dying) {
    const LockRank top = held_ranks[held_count - 1];
    const bool ordered = top < rank || (top == rank && rank == LockRank::chan);
    if (!ordered) throw_("lock rank order violated");
  }
  if (held_count == kMaxHeld) throw_("too many runtime locks held");
  held_ranks[held_count++] = rank;
}

void note_released(LockRank rank) {
  for (int i = held_count - 1; i >= 0; --i) {
    if (held_ranks[i] != rank) continue;
    for (int k = i; k + 1 < held_count; ++k) held_ranks[k] = held_ranks[k + 1];
    --held_count;
    return;
  }
  if (!sched.dying) throw_("unlock of a runtime lock that this thread does not hold");
}
#else
void note_acquired(LockRank) {}
void note_released(LockRank) {}
#endif

// The count is the M's, which ThreadSanitizer does not know where it takes goroutines for threads.
__attribute__((no_sanitize("thread"))) void count_held(int32_t delta) {
  if (M* mp = getm()) mp->locks += delta;
}

void lock_slow(std::atomic<uint32_t>* word) {
  for (int i = 0; i < kSpins; ++i) {
    uint32_t free = 0;
    if (word->compare_exchange_weak(free, 1, std::memory_order_acquire)) return;
    __builtin_ia32_pause();
  }
  while (word->exchange(2, std::memory_order_acquire) != 0) futex(word, FUTEX_WAIT, 2);
}

}  // namespace

void Lock::lock() {
  note_acquired(rank_);
  count_held(1);
  uint32_t free = 0;
  if (word_.compare_exchange_strong(free, 1, std::memory_order_acquire)) [[likely]] return;
  lock_slow(&word_);
}

// Whoever takes the lock next may free the object that it lies in: nothing of *this is read after the
// exchange. The wake needs the address alone.
void Lock::unlock() {
  const LockRank rank = rank_;
  const uint32_t was = word_.exchange(0, std::memory_order_release);
  if (was == 2) futex(&word_, FUTEX_WAKE, 1);
  if (was == 0) throw_("unlock of unlocked runtime lock");
  count_held(-1);
  note_released(rank);
}

}  // namespace reprise::rt
