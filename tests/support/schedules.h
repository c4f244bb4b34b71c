// Runs a test's body under many schedules, and under a virtual clock.
//
// A body runs on the main goroutine and must leave no other goroutine behind: that is checked.
#pragma once

#include <functional>

namespace reprise::test {

// Runs body without a policy (native: on as many Ps as REPRISE_MAXPROCS says), under `seeds` seeds of `random` and a few of
// `fair`. Failures name the policy and the seed. Stops at the first schedule that fails.
void under_schedules(int seeds, const std::function<void()>& body);

// Yields until the main goroutine is alone; a failure if it never is.
void expect_alone();

// One goroutine at a time for a scope, first ready, first run, until it waits or yields: for tests that
// are about an order. No other goroutine may be there when it begins or ends.
class InOrder {
 public:
  InOrder();
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;
};

// Virtual time for a scope: waiting takes no time.
class VirtualTime {
 public:
  VirtualTime();
  ~VirtualTime();
  VirtualTime(const VirtualTime&) = delete;
  VirtualTime& operator=(const VirtualTime&) = delete;
};

}  // namespace reprise::test
