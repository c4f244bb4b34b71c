// The runtime's internal lock: futex-based, never parks a goroutine, ranked.
//
// Holding one forbids preemption and any gopark() except through its unlock function. Each has a rank;
// lock_ranks.def says which ranks may nest, and debug builds check it (lock_rank.h).
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

enum class LockRank : uint8_t {
#define REPRISE_LOCK(name, guards) name,
#define REPRISE_ORDER(outer, inner)
#define REPRISE_PEERS(name)
#include "runtime/sched/lock_ranks.def"
#undef REPRISE_LOCK
#undef REPRISE_ORDER
#undef REPRISE_PEERS
  count_,
};

// Thread safety: any thread, any goroutine. Blocks the M, not the G: hold it for nanoseconds.
class Lock {
 public:
  constexpr explicit Lock(LockRank rank) : rank_(rank) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock();
  void unlock();
  bool held_for_test() const { return word_.load(std::memory_order_relaxed) != 0; }
  LockRank rank() const { return rank_; }

 private:
  std::atomic<uint32_t> word_{0};  // 0 free, 1 held, 2 held with waiters
  LockRank rank_;
};

}  // namespace reprise::rt
