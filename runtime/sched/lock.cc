// The runtime's internal lock: a futex word of three states, after Drepper's "Futexes are tricky".
//
// Invariant: word_ is 2 whenever a thread sleeps on it. A thread that slept takes the lock as 2,
// since it cannot know whether others still sleep; one superfluous wake is the price.
//
// Debug builds, and tests that compile this file with REPRISE_CHECK_LOCKS, keep the ranks that a thread
// holds and refuse one that lock_ranks.def does not order after them. A report of a fatal error is
// exempt: it starts wherever the error was.
#include "runtime/sched/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "runtime/sched/g_m_p.h"
#include "runtime/sched/lock_rank.h"
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

#if !defined(NDEBUG) || defined(REPRISE_CHECK_LOCKS)
thread_local HeldLocks held __attribute__((tls_model("initial-exec")));

// A goroutine releases on g0 what it took before it parked, on the same thread; so the thread's list is
// the right one. Not inlined: its address must not be kept across a switch.
[[gnu::noinline]] HeldLocks& held_here() { return held; }

void note_acquired(LockRank rank) {
  HeldLocks& mine = held_here();
  if (!sched.dying) {
    if (const LockRank* outer = mine.forbids(rank)) throw_(lock_order_violation(*outer, rank));
    if (mine.count() == HeldLocks::kMax) throw_("too many runtime locks held");
  }
  if (mine.count() < HeldLocks::kMax) mine.add(rank);
}

void note_released(LockRank rank) {
  if (!held_here().remove(rank) && !sched.dying) {
    throw_(std::string("unlock of a runtime lock that this thread does not hold: ") +
           lock_rank_name(rank));
  }
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
