// What the tasks of random_program share, and how an operation is written.
//
// Thread safety: goroutines and threads use a World at the same time; what is not a lock, channel or
// atomic is raced for on purpose: in a controlled run the races replay too.
#pragma once

#include <reprise/atomic.h>
#include <reprise/reprise.h>
#include <semaphore.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

namespace random_program {

using std::chrono::microseconds;

inline constexpr int kMaxSpawns = 24;

struct World {
  std::vector<std::string_view> tasks;
  reprise::WaitGroup all;
  int spawns = 0;
  uint64_t hash = 0;
  int64_t sent = 0;
  std::vector<reprise::Chan<int64_t>> chans{reprise::Chan<int64_t>(), reprise::Chan<int64_t>(1),
                                            reprise::Chan<int64_t>(2), reprise::Chan<int64_t>(7)};
  reprise::Mutex mutexes[3];
  std::mutex std_mutexes[3];
  reprise::RWMutex rw;
  std::shared_mutex std_rw;
  std::condition_variable condition;
  reprise::Semaphore semaphore{2};
  sem_t posix_semaphore;
  reprise::Atomic<int64_t> counter{0};
  std::atomic<int> waited_on{0};
  std::once_flag once;
  uint64_t raced[4] = {};  // added to without a lock
};

extern World* world;

// Into the running hash, which everything printed shows.
inline void note(uint64_t value) {
  world->hash = (world->hash ^ value) * 0x9e3779b97f4a7c15 ^ world->hash >> 29;
}

inline microseconds pause_of(int k) { return microseconds(20 * k); }

inline reprise::Chan<int64_t>& chan(int k) {
  return world->chans[static_cast<size_t>(k) % world->chans.size()];
}

struct Operation {
  char letter;  // or a sign, of those that a shell leaves alone
  void (*run)(int k);  // k: the digit behind the letter, 0 to 9
};

// Those of random_rare.cc and of random_collected.cc.
std::span<const Operation> rare_operations();
std::span<const Operation> collected_operations();

// Works for a while without a scheduling point (random_compute.cc): nothing to preempt in plain code.
void compute(int k);

}  // namespace random_program
