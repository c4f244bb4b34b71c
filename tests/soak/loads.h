// Loads of the native soak: each is a kind of work whose units are counted in and out.
//
// A load's round starts goroutines, waits for all of them, and leaves nothing behind: no goroutine, no
// descriptor, no thread. It counts every unit of work when it goes in and when it comes out; after a
// round both must be equal. Rounds are short (some milliseconds) and may run side by side.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

namespace reprise::soak {

struct Tally {
  std::atomic<uint64_t> in{0};
  std::atomic<uint64_t> out{0};
  std::atomic<uint64_t> wrong{0};  // units that came out other than they went in

  void enter(uint64_t n = 1) { in.fetch_add(n, std::memory_order_relaxed); }
  void leave(uint64_t n = 1) { out.fetch_add(n, std::memory_order_relaxed); }
  void check(bool right) {
    if (!right) wrong.fetch_add(1, std::memory_order_relaxed);
  }
};

// splitmix64; one a lane.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  uint64_t below(uint64_t n) { return next() % n; }

 private:
  uint64_t state_;
};

struct Load {
  const char* name;
  void (*round)(Tally& tally, Random& random);
};

std::span<const Load> core_loads();   // goroutines, channels, select, timers, locks
std::span<const Load> io_loads();     // sockets, pipes, files
std::span<const Load> cxx_loads();    // std's locks and threads, exceptions, threads of one's own

}  // namespace reprise::soak
