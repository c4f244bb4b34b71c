// What the behaviours share: how much work a run can afford, and waiting until everybody waits.
//
// Every behaviour holds in native mode on any number of Ps and under any policy on the virtual clock,
// unless it says NATIVE_ONLY. It runs on the main goroutine and must leave no other one behind: the
// main program checks that after each.
#pragma once

#include <gtest/gtest.h>
#include <reprise/reprise.h>

#include "runtime/sched/proc.h"
#include "runtime/time/clock.h"

namespace reprise::test {

// A policy decides (`reprise run`); else the program was started directly.
inline bool controlled() { return rt::seam_active; }

// How often to do something: each step costs a decision where a policy decides.
inline int rounds(int natively, int under_a_policy) {
  return controlled() ? under_a_policy : natively;
}

// Lets all others run until they wait. Exact on the virtual clock, whose time moves only when nobody
// can run. Natively it is only likely, so use it to check that something did NOT happen: a slow
// machine then hides a failure and never makes one up.
inline void settle() { sleep_for(std::chrono::milliseconds(1)); }

// Waits for something that is sure to happen.
template <class Predicate>
void until(Predicate happened) {
  while (!happened()) sleep_for(std::chrono::microseconds(20));
}

// For the cases of a select that matter only by being chosen, and those that must not be.
inline constexpr auto nothing = [] {};
inline constexpr auto must_not_happen = [] { ADD_FAILURE() << "this case was not ready"; };

}  // namespace reprise::test

// For what only exists natively: real parallelism, and waiting by computing.
#define NATIVE_ONLY() \
  if (::reprise::test::controlled()) GTEST_SKIP() << "native mode only"
