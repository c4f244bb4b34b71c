// An operational weak memory: what each thread may read, and where its writes may stand.
//
// Per location a history of messages in modification order. A message carries its value and the view
// of its writer; a thread's view says, per location, which message it has seen last, so that it may
// read that one or any after it, and write anywhere after it. Release puts the view into the message,
// acquire takes it over. This is ORC11, the operational form of RC11 (Dang, Jourdan, Kaiser, Dreyer:
// RustBelt Meets Relaxed Memory, POPL 2020; Lahav et al.: Repairing Sequential Consistency in C/C++11,
// PLDI 2017), with sequential consistency as C++20 states it ([atomics.order]):
//
//  - A write may be placed before messages that are there already (2+2W), but not between a message
//    and the read-modify-write that read it.
//  - Release sequences are read-modify-writes only, as in C++20.
//  - One view S stands for the total order of sequentially consistent operations, which is the order of
//    execution: such an access is at or after S, and joins S; such a fence takes S over and joins it.
//  - Not modelled: load buffering (RC11 forbids it too), and orders S that contradict the order of
//    execution (C++20 allows some on POWER).
//
// Races: a vector clock in each view; a plain access must come after every conflicting one by it.
//
// Thread safety: none; one explorer, one thread of the operating system.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace reprise::model {

inline constexpr int kMaxThreads = 6;
inline constexpr int kMain = kMaxThreads;      // set-up and final check
inline constexpr int kClocks = kMaxThreads + 1;
inline constexpr int kMaxLocations = 64;

using Order = std::memory_order;

inline bool acquires(Order o) {
  return o == Order::acquire || o == Order::acq_rel || o == Order::seq_cst || o == Order::consume;
}
inline bool releases(Order o) {
  return o == Order::release || o == Order::acq_rel || o == Order::seq_cst;
}
inline bool sequential(Order o) { return o == Order::seq_cst; }

// Happens-before: how much of each thread's past.
struct Clock {
  std::array<uint32_t, kClocks> at{};
  void join(const Clock& other) {
    for (int i = 0; i < kClocks; ++i) at[i] = std::max(at[i], other.at[i]);
  }
};

struct View {
  std::array<uint64_t, kMaxLocations> seen{};  // per location, the timestamp
  Clock clock;
  void join_seen(const View& other, int locations) {
    for (int i = 0; i < locations; ++i) seen[i] = std::max(seen[i], other.seen[i]);
  }
  void join(const View& other, int locations) {
    join_seen(other, locations);
    clock.join(other.clock);
  }
};

struct Message {
  uint64_t value = 0;
  uint64_t at = 0;       // timestamp: the modification order of its location
  uint32_t id = 0;       // order of execution over all locations
  bool taken = false;    // a read-modify-write read it: nothing fits between
  View view;             // what an acquiring reader takes over
  Clock path;            // the writer's steps and what they depend on (explorer.h)
};

struct Location {
  std::string name;
  std::vector<Message*> history;  // by timestamp
};

class Memory {
 public:
  // Forgets everything. Main is the thread until others are started.
  void reset();

  int add_location(uint64_t value);
  Location& location(int place) { return locations_[place]; }
  int locations() const { return count_; }

  // A thread begins with main's view; main ends with everybody's.
  void start_thread(int thread);
  void join_all(int threads);

  // What `thread` may read from place, newest first; the result is valid until the next call.
  // fresh: only messages with at least this id.
  const std::vector<Message*>& readable(int thread, int place, Order order, uint32_t fresh);
  void read(int thread, int place, Message* message, Order order);
  // Messages after which a write may stand, the newest first.
  const std::vector<Message*>& predecessors(int thread, int place, Order order);
  Message* write(int thread, int place, Message* after, uint64_t value, Order order);
  // The two halves as one: write directly after what was read.
  Message* modify(int thread, int place, Message* read_from, uint64_t value, Order order);

  void fence(int thread, Order order);

  // Locks and the kernel's futex table order those who come later after those who came before.
  void take_over(int thread, const View& view) {
    threads_[thread].current.join(view, count_);
    threads_[thread].acquired.join(view, count_);
  }
  void take_over_seen(int thread, const View& view) {
    threads_[thread].current.join_seen(view, count_);
    threads_[thread].acquired.join_seen(view, count_);
  }
  const View& current(int thread) const { return threads_[thread].current; }
  // The oldest timestamp at which such an access may stand.
  uint64_t floor_of(int thread, int place, Order order) const;

  // Ends a step: what follows is later than what was released in it.
  void tick(int thread);
  uint32_t next_id() const { return next_id_; }
  // Reads again and again of a message that is not the newest end after so many: stores become
  // visible in finite time.
  void set_stale_limit(int limit) { stale_limit_ = limit; }

 private:
  struct ThreadState {
    View current;    // what it knows
    View acquired;   // what an acquire fence would add
    View released;   // what it knew at its last release fence
    std::array<uint32_t, kMaxLocations> last_read{};
    std::array<uint16_t, kMaxLocations> repeats{};
  };
  Message* add_message(Location& where, size_t index, uint64_t at, uint64_t value);
  void see(int thread, int place, const Message& message);

  std::array<ThreadState, kClocks> threads_;
  std::array<Location, kMaxLocations> locations_;
  View sequential_;                 // S
  int count_ = 0;
  uint32_t next_id_ = 1;
  int stale_limit_ = 4;
  std::vector<Message*> pool_;      // kept over runs
  size_t used_ = 0;
  std::vector<Message*> found_;
};

}  // namespace reprise::model
