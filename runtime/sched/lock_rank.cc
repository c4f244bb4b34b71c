// The order of locks, computed from lock_ranks.def when this is compiled.
//
// Closure by Warshall's algorithm over rows of bits. A rank that may be taken while one of the same
// rank is held, other than by REPRISE_PEERS, would mean a cycle.
#include "runtime/sched/lock_rank.h"

#include <bit>

namespace reprise::rt {

namespace {

struct Pair {
  LockRank outer, inner;
};

constexpr Pair kOrders[] = {
#define REPRISE_LOCK(name, guards)
#define REPRISE_ORDER(outer, inner) {LockRank::outer, LockRank::inner},
#define REPRISE_PEERS(name)
#include "runtime/sched/lock_ranks.def"
#undef REPRISE_LOCK
#undef REPRISE_ORDER
#undef REPRISE_PEERS
};

constexpr LockRank kPeers[] = {
#define REPRISE_LOCK(name, guards)
#define REPRISE_ORDER(outer, inner)
#define REPRISE_PEERS(name) LockRank::name,
#include "runtime/sched/lock_ranks.def"
#undef REPRISE_LOCK
#undef REPRISE_ORDER
#undef REPRISE_PEERS
};

constexpr const char* kNames[] = {
#define REPRISE_LOCK(name, guards) #name,
#define REPRISE_ORDER(outer, inner)
#define REPRISE_PEERS(name)
#include "runtime/sched/lock_ranks.def"
#undef REPRISE_LOCK
#undef REPRISE_ORDER
#undef REPRISE_PEERS
};

constexpr uint64_t bit(size_t i) { return uint64_t{1} << i; }

constexpr LockOrder closure() {
  LockOrder order{};
  for (const Pair& pair : kOrders) {
    order[static_cast<size_t>(pair.outer)] |= bit(static_cast<size_t>(pair.inner));
  }
  for (size_t via = 0; via < kLockRanks; ++via) {
    for (uint64_t& row : order) {
      if ((row & bit(via)) != 0) row |= order[via];
    }
  }
  return order;
}

constexpr bool has_cycle(const LockOrder& order) {
  for (size_t i = 0; i < kLockRanks; ++i) {
    if ((order[i] & bit(i)) != 0) return true;
  }
  return false;
}

constexpr LockOrder with_peers(LockOrder order) {
  for (const LockRank rank : kPeers) order[static_cast<size_t>(rank)] |= bit(static_cast<size_t>(rank));
  return order;
}

static_assert(!has_cycle(closure()), "lock_ranks.def: a cycle of REPRISE_ORDER");

}  // namespace

constinit const LockOrder lock_order = with_peers(closure());

const char* lock_rank_name(LockRank rank) { return kNames[static_cast<size_t>(rank)]; }

std::string lock_order_violation(LockRank held, LockRank wanted) {
  return std::string("lock rank order violated: takes ") + lock_rank_name(wanted) +
         " while holding " + lock_rank_name(held);
}

std::optional<LockRank> HeldLocks::forbids(LockRank wanted) const {
  for (uint64_t rest = ranks_; rest != 0; rest &= rest - 1) {
    const auto rank = static_cast<LockRank>(std::countr_zero(rest));
    if (!may_take(rank, wanted)) return rank;
  }
  return std::nullopt;
}

void HeldLocks::add(LockRank rank) {
  const auto i = static_cast<size_t>(rank);
  ++count_[i];
  ranks_ |= bit(i);
}

bool HeldLocks::remove(LockRank rank) {
  const auto i = static_cast<size_t>(rank);
  if (count_[i] == 0) return false;
  if (--count_[i] == 0) ranks_ &= ~bit(i);
  return true;
}

}  // namespace reprise::rt
