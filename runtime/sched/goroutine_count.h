// How many goroutines there are, counted without a counter that all Ps would write.
//
// Each P counts the goroutines born on it and those that died on it, and so does a pair for what happens
// where there is no P. A counter has one writer at a time and only grows; the number alive is the sum of
// births minus the sum of deaths. A reader that adds up differences in passing could see a death of which
// it has missed the birth, and be short by one for every such pair: a parent that starts a child and ends
// while the reader goes from P to P would look like nobody.
//
// So the reader takes sums that hold at one instant. It reads all deaths, all births, and all deaths
// again. If no death was added, deaths stood still between the two sums; births grew meanwhile from what
// they were at the first read to what they were at the last, one by one, and so were, at some instant
// between, exactly the sum that was read (each counter was read at a value that it had, and counters
// only grow). Their difference is the number alive at that instant. It is the same with the roles changed.
// A writer's increment is a release and the reader's loads are acquires: a death that is seen brings the
// births that came before it with it.
//
// Under births and deaths without pause the reader gives up after kTries and returns births minus the deaths
// that it read *before* them: never less than the goroutines alive when it began that pass, and more by no
// more than the births and deaths that fell into it. The reference promises less (its gcount() reads
// lists of free goroutines as they change, and calls the result inconsistent).
//
// A template over the family of atomics, so that tests/model explores this source.
//
// Thread safety: count_birth and count_death by the owner of the pair, or by anybody if `shared`.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

template <class A>
struct GoroutineCountsOf {
  typename A::template Atomic<uint64_t> births{0};
  typename A::template Atomic<uint64_t> deaths{0};
};

// Release, and for those who wait until a count falls: what the goroutine did is visible to them.
template <class Counter>
void count_one(Counter& counter, bool shared) {
  if (shared) {
    counter.fetch_add(1, std::memory_order_release);
  } else {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
}

// for_each(f) calls f(counts) for every pair that there is, those that came during the call included.
template <class ForEach>
uint64_t goroutines_alive(ForEach for_each) {
  constexpr int kTries = 64;
  const auto births = [&] {
    uint64_t sum = 0;
    for_each([&](const auto& counts) { sum += counts.births.load(std::memory_order_acquire); });
    return sum;
  };
  const auto deaths = [&] {
    uint64_t sum = 0;
    for_each([&](const auto& counts) { sum += counts.deaths.load(std::memory_order_acquire); });
    return sum;
  };
  uint64_t died = deaths();
  uint64_t born = births();
  for (int i = 0; i < kTries; ++i) {
    const uint64_t died_since = deaths();
    if (died_since == died) break;
    const uint64_t born_since = births();
    died = died_since;
    if (born_since == born) break;
    born = born_since;
  }
  return born - died;
}

}  // namespace reprise::rt
