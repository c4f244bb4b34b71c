// Which waiter goes first: the `wake` decisions of closed channels, conditions, semaphores and
// mutexes. Without a policy the answer is first in, first out.
//
// Thread safety: callers hold the lock of the object whose waiters these are, or own the list.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/chan/sudog.h"

namespace reprise::rt {

// Goroutines about to be readied together, linked by schedlink: an owner moves them off a wait
// queue under its lock, and readies them after releasing it.
class WakeList {
 public:
  void push(G* gp);
  bool empty() const { return first_ == nullptr; }
  // Readies all and is empty afterwards. One decision says who is first. The order of the rest is
  // that of the list: every other interleaving of them is within reach of the `run` decisions
  // that follow, so more choices here would only lengthen traces.
  void ready_all();

 private:
  void move_to_front(size_t index);

  G* first_ = nullptr;
  G* last_ = nullptr;
  size_t count_ = 0;
};

// The waiter to wake among those on the list (linked by `next`) whose weight is at most `limit`;
// null if there is none.
Sudog* choose_waiter(Sudog* first, int64_t limit = INT64_MAX);

}  // namespace reprise::rt
