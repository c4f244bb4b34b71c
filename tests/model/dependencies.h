// Which steps of an execution come before which for a reason, and which races to reverse.
//
// A step depends on the earlier steps of its thread, on the step whose message it reads, and on
// steps whose order matters without a message: sequentially consistent operations, locks, the
// kernel's futex table. The closure is kept as one vector per thread (path). Before a step
// of p is executed, each earlier step by another thread that could have read what p may write, or whose
// order with it matters, and that p's path does not contain, is reported: before it, what has happened
// since without it should have come, p's step at the end. Whoever may begin that part is a leader
// (the initials of source sets: Abdulla, Aronsson, Jonsson, Sagonas, POPL 2014). p itself is none if its
// step depends on one of that part: with sleep sets, beginning with p there would lose executions.
//
// Thread safety: none.
#pragma once

#include <array>
#include <vector>

#include "tests/model/memory.h"
#include "tests/model/op.h"
#include "tests/model/search.h"

namespace reprise::model {

class Dependencies {
 public:
  static constexpr int kMaxLocks = 16;

  void reset();

  // Reports races of p's next operation to the search.
  void races(int p, const Op& op, Search* search) const;
  // The step of p that is being executed, from 1. Joins what it depends on apart from messages.
  void begin(int p, const Op& op, uint32_t step);
  void reads_from(int p, const Clock& writer) { path_[p].join(writer); }
  void wakes(int waker, int woken) { path_[woken].join(path_[waker]); }
  void end(int p, const Op& op, uint32_t step);
  const Clock& path(int p) const { return path_[p]; }

 private:
  struct Steps {  // of each thread, the last of a kind
    std::array<uint32_t, kMaxThreads> last{};
  };
  void race(int p, const Op& op, const Steps& steps, Search* search) const;
  Threads leaders(uint32_t step, int thread, int p, const Clock* last) const;
  void join_orders(const Op& op, Clock* path) const;

  struct Executed {
    int thread;
    Clock path;
  };
  std::vector<Executed> trace_{1};  // steps count from 1
  std::array<Clock, kMaxThreads> path_{};
  std::array<Steps, kMaxLocations> reads_{}, sc_{}, futex_{};
  std::array<Steps, kMaxLocks> locks_{};
  Steps sc_any_, sc_fences_;
  std::array<Clock, kMaxLocations> sc_path_{}, futex_path_{};
  std::array<Clock, kMaxLocks> lock_path_{};
  Clock sc_any_path_, sc_fence_path_;
};

}  // namespace reprise::model
