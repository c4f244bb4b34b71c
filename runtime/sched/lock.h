// The runtime's internal lock: futex-based, never parks a goroutine, ranked.
//
// Holding one forbids preemption and any gopark() except through its unlock function. Ranks are
// checked in debug builds: a thread takes locks in increasing rank only (runtime/HACKING.md).
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

enum class LockRank : uint8_t {
  sysmon, allg, sched, timers, netpoll, sema_root, chan, notify_list, sudog, gfree, stack_pool,
  heap, trace, leaf,
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
