// The word of an FdMutex: closed, two locks, references, and who waits for the locks.
//
// Bit 0 closed, bit 1 read lock, bit 2 write lock, then 20 bits each of references, waiting readers and
// waiting writers. Invariants: a lock holds a reference of its own; a waiter holds none, and its count in
// the word is taken away by whoever wakes it, together with one release of the semaphore. So a semaphore's
// releases and the waits that were counted are one for one, whichever comes first.
//
// A lock that is taken acquires what its last holder released. Who takes the last reference of a closed one acquires
// what all others did with the descriptor before they let it go: it is about to be destroyed.
//
// Templates, so that tests/model explores this source. wait() and wake(read) are the semaphores.
//
// Thread safety: any. fd_word_lock parks the G in wait().
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/proc.h"

namespace reprise::rt {

inline constexpr uint64_t kFdClosed = 1 << 0;
inline constexpr uint64_t kFdRLock = 1 << 1;
inline constexpr uint64_t kFdWLock = 1 << 2;
inline constexpr uint64_t kFdRef = 1 << 3;
inline constexpr uint64_t kFdRefMask = ((uint64_t{1} << 20) - 1) << 3;
inline constexpr uint64_t kFdRWait = uint64_t{1} << 23;
inline constexpr uint64_t kFdRMask = ((uint64_t{1} << 20) - 1) << 23;
inline constexpr uint64_t kFdWWait = uint64_t{1} << 43;
inline constexpr uint64_t kFdWMask = ((uint64_t{1} << 20) - 1) << 43;

inline constexpr const char* kFdOverflow =
    "too many concurrent operations on a single file or socket (max 1048575)";
inline constexpr const char* kFdInconsistent = "inconsistent FdMutex";

struct FdSide {
  uint64_t bit, wait, mask;
};
constexpr FdSide fd_side(bool read) {
  return read ? FdSide{kFdRLock, kFdRWait, kFdRMask} : FdSide{kFdWLock, kFdWWait, kFdWMask};
}

// False: it is closed.
template <class Word>
bool fd_word_incref(Word& word) {
  uint64_t old = word.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kFdClosed) return false;
    const uint64_t next = old + kFdRef;
    if ((next & kFdRefMask) == 0) gopanic(kFdOverflow);
    if (word.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  }
}

// Closes, takes a reference and wakes all who wait: they find it closed. False: it was closed.
template <class Word, class Wake>
bool fd_word_incref_and_close(Word& word, Wake wake) {
  uint64_t old = word.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kFdClosed) return false;
    uint64_t next = (old | kFdClosed) + kFdRef;
    if ((next & kFdRefMask) == 0) gopanic(kFdOverflow);
    next &= ~(kFdRMask | kFdWMask);
    if (word.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed)) break;
  }
  for (; old & kFdRMask; old -= kFdRWait) wake(true);
  for (; old & kFdWMask; old -= kFdWWait) wake(false);
  return true;
}

// True: that was the last reference of a closed one.
template <class Word>
bool fd_word_decref(Word& word) {
  uint64_t old = word.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & kFdRefMask) == 0) gopanic(kFdInconsistent);
    const uint64_t next = old - kFdRef;
    if (word.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return (next & (kFdClosed | kFdRefMask)) == kFdClosed;
    }
  }
}

// False: it is closed.
template <class Word, class Wait>
bool fd_word_lock(Word& word, bool read, Wait wait) {
  const FdSide side = fd_side(read);
  uint64_t old = word.load(std::memory_order_relaxed);
  for (;;) {
    if (old & kFdClosed) return false;
    const bool free = (old & side.bit) == 0;
    const uint64_t next = free ? (old | side.bit) + kFdRef : old + side.wait;
    if ((next & (free ? kFdRefMask : side.mask)) == 0) gopanic(kFdOverflow);
    if (!word.compare_exchange_weak(old, next, std::memory_order_acquire, std::memory_order_relaxed)) continue;
    if (free) return true;
    wait();
    // Whoever woke us took our count away; compete again. What it did to the word it did before it woke us.
    old = word.load(std::memory_order_relaxed);
  }
}

// True: that was the last reference of a closed one.
template <class Word, class Wake>
bool fd_word_unlock(Word& word, bool read, Wake wake) {
  const FdSide side = fd_side(read);
  uint64_t old = word.load(std::memory_order_relaxed);
  for (;;) {
    if ((old & side.bit) == 0 || (old & kFdRefMask) == 0) gopanic(kFdInconsistent);
    uint64_t next = (old & ~side.bit) - kFdRef;
    if (old & side.mask) next -= side.wait;
    if (!word.compare_exchange_weak(old, next, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
    if (old & side.mask) wake();
    return (next & (kFdClosed | kFdRefMask)) == kFdClosed;
  }
}

}  // namespace reprise::rt
