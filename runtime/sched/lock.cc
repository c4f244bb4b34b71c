// The runtime's internal lock: a word of lock_word.h over the kernel's futexes, with ranks.
//
// Debug builds, and tests that compile this file with REPRISE_CHECK_LOCKS, keep the ranks that a thread
// holds and refuse one that lock_ranks.def does not order after them. A report of a fatal error is
// exempt: it starts wherever the error was.
#include "runtime/sched/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "runtime/sched/here.h"
#include "runtime/sched/lock_rank.h"
#include "runtime/sched/lock_word.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

// The word is private to the process. Not through libc's syscall(): a goroutine's futex call parks
// (runtime/sys/futex.cc), and errno belongs to the goroutine, not to its locks.
struct Kernel {
  // Some 6 us, as in the reference: a sleep and the wake-up cost more, and while somebody sleeps so does every unlock.
  static constexpr int kSpins = 120;
  void pause() { __builtin_ia32_pause(); }
  void wait(std::atomic<uint32_t>& word, uint32_t value) {
    sys::call(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
  void wake(std::atomic<uint32_t>& word) {
    sys::call(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
};

#if !defined(NDEBUG) || defined(REPRISE_CHECK_LOCKS)
thread_local HeldLocks held __attribute__((tls_model("initial-exec")));

// A goroutine releases on g0 what it took before it parked, on the same thread; so the thread's list is
// the right one. Not inlined: its address must not be kept across a switch.
[[gnu::noinline]] HeldLocks& held_here() { return held; }

void note_acquired(LockRank rank) {
  HeldLocks& mine = held_here();
  if (!sched.dying) {
    if (const auto outer = mine.forbids(rank)) throw_(lock_order_violation(*outer, rank));
  }
  mine.add(rank);
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

// Out of line: with the kernel's call in them lock() and unlock() would save registers that they mostly do not need.
[[gnu::noinline, gnu::cold]] void lock_contended(std::atomic<uint32_t>& word) {
  Kernel kernel;
  lock_word_slow(word, kernel);
}

struct WakesOutOfLine {
  [[gnu::noinline, gnu::cold]] static void wake(std::atomic<uint32_t>& word) { Kernel().wake(word); }
};

[[noreturn, gnu::noinline, gnu::cold]] void not_locked() { throw_("unlock of unlocked runtime lock"); }

// The count is the M's, which ThreadSanitizer does not know where it takes goroutines for threads.
__attribute__((no_sanitize("thread"))) void count_held(int32_t delta) {
  if (M* mp = m_here()) mp->locks += delta;
}

}  // namespace

void Lock::lock() {
  count_held(1);  // first: nobody runs in this one's place while the ranks are noted
  note_acquired(rank_);
  if (!try_lock_word(word_)) [[unlikely]] lock_contended(word_);
}

// Nothing of *this is read after the word is free.
void Lock::unlock() {
  const LockRank rank = rank_;
  WakesOutOfLine kernel;
  if (!unlock_word(word_, kernel)) not_locked();
  note_released(rank);
  count_held(-1);
}

}  // namespace reprise::rt
