// Exploration of counted code: goroutines that only compute are preempted where the policy says.
#include <reprise/explore.h>
#include <reprise/reprise.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "asm/tick_page.h"

namespace {

using reprise::Exploration;
using reprise::ExploreOptions;

void check(bool holds, const std::string& claim) {
  if (holds) return;
  std::fprintf(stderr, "explored: %s\n", claim.c_str());
  std::exit(1);
}

constexpr int kAdditions = 20;

// A loop that only its ticks could stop.
void turns(int n) {
  for (int i = 0; i < n; ++i) asm volatile("" : "+r"(i));
}

// No scheduling point between the load and the store.
void add(volatile int& sum, reprise::Mutex* mutex) {
  for (int i = 0; i < kAdditions; ++i) {
    if (mutex != nullptr) mutex->lock();
    int value = sum;
    turns(3);
    sum = value + 1;
    if (mutex != nullptr) mutex->unlock();
  }
}

void two_add(bool locked) {
  volatile int sum = 0;
  reprise::Mutex mutex;
  reprise::WaitGroup both;
  for (int g = 0; g < 2; ++g) {
    both.add(1);
    reprise::go([&, both]() mutable {
      add(sum, locked ? &mutex : nullptr);
      both.done();
    });
  }
  both.wait();
  reprise::expect(sum == 2 * kAdditions, "an addition was lost");
}

Exploration explored(const std::string& policy, bool locked, uint64_t seed) {
  const ExploreOptions options{.policy = policy, .seed = seed, .schedules = 500, .name = "explored " + policy};
  return reprise::explore(options, [locked] { two_add(locked); });
}

void lost_additions_are_found() {
  for (const std::string policy : {"random", "pct", "pos", "surw", "portfolio"}) {
    const Exploration one = explored(policy, false, 3);
    check(one.failure.has_value(), policy + " finds no lost addition");
    check(one.failure->confirmed, policy + ": a fresh process does not fail the same way");
    const Exploration again = explored(policy, false, 3);
    check(again.failure && again.failure->run == one.failure->run, policy + ": not the same schedule twice");
    check(!explored(policy, true, 3).failure, policy + ": a correct program fails");
  }
}

// Preempted at time slices, if at nothing else.
void a_goroutine_that_spins_lets_the_other_run() {
  for (const std::string policy : {"fair", "random", "exhaustive"}) {
    const ExploreOptions options{.policy = policy, .schedules = 20, .name = "spins " + policy};
    const Exploration done = reprise::explore(options, [] {
      volatile bool flag = false;
      reprise::go([&flag] { flag = true; });
      while (!flag) {}
    });
    check(!done.failure, policy + ": " + reprise::describe(options, done));
  }
}

void outside_nothing_counts() {
  const auto& counter = *const_cast<volatile int64_t*>(&reprise::asm_::tick_page()->counter);
  const int64_t before = counter;
  turns(1000);
  check(counter == before, "ticks are left in the code");
}

int explored_main(int, char**) {
  outside_nothing_counts();
  lost_additions_are_found();
  a_goroutine_that_spins_lets_the_other_run();
  outside_nothing_counts();
  std::printf("ok\n");
  return 0;
}

}  // namespace

REPRISE_MAIN(explored_main)
