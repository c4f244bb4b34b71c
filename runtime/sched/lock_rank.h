// Lock ranks: which runtime locks may nest, as lock_ranks.def says.
//
// LockOrder is the partial order, closed under transitivity when it is compiled. HeldLocks is what one
// thread holds; debug builds, and tests that ask for it, keep one a thread and refuse a lock that is
// out of order (lock.cc).
//
// Thread safety: LockOrder is constant; a HeldLocks belongs to one thread. ThreadSanitizer takes goroutines
// for threads and would see them share it, so it does not look there.
#pragma once

#define REPRISE_OF_THE_THREAD __attribute__((no_sanitize("thread")))

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/sched/lock.h"

namespace reprise::rt {

inline constexpr size_t kLockRanks = static_cast<size_t>(LockRank::count_);

// Bit j of row i: a thread that holds rank i may take rank j.
using LockOrder = std::array<uint64_t, kLockRanks>;
static_assert(kLockRanks <= 64);

extern const LockOrder lock_order;

const char* lock_rank_name(LockRank rank);

inline bool may_take(LockRank held, LockRank wanted) {
  return (lock_order[static_cast<size_t>(held)] >> static_cast<size_t>(wanted) & 1) != 0;
}

// Two locks that must not be held together, in the order in which they were taken.
std::string lock_order_violation(LockRank held, LockRank wanted);

// A count a rank, not a list: fork holds a lock for each P's timers, a select one for each of its channels.
class HeldLocks {
 public:
  // A rank held that forbids `wanted`, if there is one.
  REPRISE_OF_THE_THREAD std::optional<LockRank> forbids(LockRank wanted) const;
  REPRISE_OF_THE_THREAD void add(LockRank rank);
  // False if none of that rank is held.
  REPRISE_OF_THE_THREAD bool remove(LockRank rank);
  REPRISE_OF_THE_THREAD bool none() const { return ranks_ == 0; }

 private:
  uint64_t ranks_ = 0;  // bit i: count_[i] is not 0
  uint32_t count_[kLockRanks] = {};
};

}  // namespace reprise::rt
