// The scheduler: order, yielding, parking, goexit, errno and exceptions across switches, threads.
#include "runtime/sched/proc.h"

#include <gtest/gtest.h>
#include <reprise/go.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/schedules.h"

// Every allocation through new, the library's included. A sanitizer defines new itself, and calls us at every
// allocation, malloc's too.
std::atomic<long> allocations{0};

#ifdef REPRISE_SANITIZED
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void*, size_t),
                                                         void (*freed)(const volatile void*));
const int hooks = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { allocations.fetch_add(1, std::memory_order_relaxed); },
    [](const volatile void*) {});
#else
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, size_t) noexcept { std::free(block); }
#endif

namespace reprise::rt {
namespace {

void wait_until_alone() {
  while (num_goroutine() > 1) gosched();
}

TEST(Proc, goroutines_run_in_order_of_spawning) {
  const test::InOrder in_order;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) go([&order, i] { order.push_back(i); });
  wait_until_alone();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Proc, yield_lets_every_other_goroutine_run_once) {
  const test::InOrder in_order;
  std::string trace;
  go([&] { trace += 'a'; gosched(); trace += 'b'; });
  go([&] { trace += 'A'; gosched(); trace += 'B'; });
  wait_until_alone();
  EXPECT_EQ(trace, "aAbB");
}

TEST(Proc, of_more_goroutines_than_the_ring_holds_each_runs_once) {
  std::vector<int> runs(1000);
  for (int i = 0; i < 1000; ++i) go([&runs, i] { ++runs[i]; });
  wait_until_alone();
  EXPECT_EQ(runs, std::vector<int>(1000, 1));
}

TEST(Proc, parked_goroutine_goes_on_after_goready) {
  const test::InOrder in_order;
  G* parked = nullptr;
  bool went_on = false;
  go([&] {
    parked = getg();
    gopark(nullptr, nullptr, WaitReason::semacquire);
    went_on = true;
  });
  gosched();
  ASSERT_NE(parked, nullptr);
  EXPECT_FALSE(went_on);
  EXPECT_EQ(parked->wait_reason, WaitReason::semacquire);
  goready(parked);
  wait_until_alone();
  EXPECT_TRUE(went_on);
}

TEST(Proc, park_whose_commit_fails_goes_on_at_once) {
  const test::InOrder in_order;
  bool went_on = false;
  go([&] {
    gopark([](G*, void*) { return false; }, nullptr, WaitReason::semacquire);
    went_on = true;
  });
  gosched();
  EXPECT_TRUE(went_on);
  wait_until_alone();
}

TEST(Proc, errno_is_the_goroutines_own) {
  go([] {
    errno = 11;
    gosched();
    EXPECT_EQ(errno, 11);
  });
  errno = 22;
  gosched();
  EXPECT_EQ(errno, 22);
  wait_until_alone();
}

TEST(Proc, exception_in_flight_survives_switches) {
  std::string caught[2];
  for (int i = 0; i < 2; ++i) {
    go([&caught, i] {
      try {
        throw std::runtime_error(i == 0 ? "zero" : "one");
      } catch (const std::exception& e) {
        gosched();
        try {
          throw std::logic_error("inner");
        } catch (...) {
          gosched();
        }
        caught[i] = e.what();
        EXPECT_THROW(throw, std::runtime_error);
      }
    });
  }
  wait_until_alone();
  EXPECT_EQ(caught[0], "zero");
  EXPECT_EQ(caught[1], "one");
}

TEST(Proc, goexit_runs_destructors_and_ends_the_goroutine) {
  bool destroyed = false, after = false;
  go([&] {
    struct Mark {
      bool* flag;
      ~Mark() { *flag = true; }
    } mark{&destroyed};
    goexit();
    after = true;
  });
  wait_until_alone();
  EXPECT_TRUE(destroyed);
  EXPECT_FALSE(after);
}

TEST(Proc, starting_switching_and_ending_goroutines_allocates_nothing) {
  std::atomic<long> sum = 0;
  const auto some = [&sum](int count) {
    for (int i = 0; i < count; ++i) {
      go([&sum, i, pad = std::array<char, 200>{}] {
        gosched();
        sum += i + pad[0];
      });
    }
    wait_until_alone();
  };
  // Threads start when they are needed, and each has something to allocate once.
  long before = 0, rounds = 0;
  do {
    before = allocations.load();
    some(100);
    ++rounds;
  } while (allocations.load() != before && rounds < 50);
  EXPECT_EQ(allocations.load(), before);
  EXPECT_GT(before, 0) << "nobody counts";
  EXPECT_EQ(sum.load(), rounds * 4950);
}

TEST(Proc, an_argument_that_cannot_be_built_starts_nothing) {
  struct Refuses {
    Refuses() = default;
    Refuses(const Refuses&) { throw std::runtime_error("no copy"); }
    void operator()() const {}
  };
  const Refuses refuses;
  EXPECT_THROW(go(refuses), std::runtime_error);
  EXPECT_EQ(num_goroutine(), 1u);
}

TEST(Proc, function_object_is_destroyed_when_its_goroutine_ends) {
  auto token = std::make_shared<int>(7);
  std::atomic<bool> looked{false};
  go([token, &looked] {
    while (!looked) gosched();
  });
  EXPECT_EQ(token.use_count(), 2);
  looked = true;
  wait_until_alone();
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace reprise::rt
