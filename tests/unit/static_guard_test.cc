// Function-local statics: initialised once, waited for by parking, initialised again after a throw.
#include <gtest/gtest.h>
#include <reprise/go.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "runtime/sched/proc.h"

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

int initialisations = 0;

int slow_value() {
  ++initialisations;
  gosched();
  gosched();
  return 42;
}

int shared_value() {
  static const int value = slow_value();
  return value;
}

TEST(StaticGuard, initialiser_that_yields_runs_once_and_others_wait_for_it) {
  std::atomic<int> seen = 0;
  for (int i = 0; i < 10; ++i) go([&seen] { seen += shared_value() == 42; });
  wait_until_alone();
  EXPECT_EQ(initialisations, 1);
  EXPECT_EQ(seen.load(), 10);
}

int attempts = 0;

int throws_once() {
  gosched();
  if (++attempts == 1) throw std::runtime_error("first");
  return attempts;
}

int retried_value() {
  static const int value = throws_once();
  return value;
}

TEST(StaticGuard, waiter_initialises_after_the_first_attempt_threw) {
  int caught = 0, value = 0;
  for (int i = 0; i < 2; ++i) {
    go([&] {
      try {
        value = retried_value();
      } catch (const std::runtime_error&) {
        ++caught;
      }
    });
  }
  wait_until_alone();
  EXPECT_EQ(caught, 1);
  EXPECT_EQ(value, 2);
}

int thread_value() {
  static const int value = [] { return 7; }();
  return value;
}

TEST(StaticGuard, works_on_a_thread_of_the_programs_own) {
  int seen = 0;
  std::thread([&seen] { seen = thread_value(); }).join();
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(thread_value(), 7);
}

}  // namespace
}  // namespace reprise::rt
