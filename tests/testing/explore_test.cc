// explore(): what it finds, what it lets pass, and that what it found happens again.
#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/explore.h>
#include <reprise/go.h>
#include <reprise/panic.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <cstdlib>
#include <mutex>

#include "corpus/programs/kernels/kernels.h"
#include "tests/support/print_corpus.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;

ExploreOptions random_walk(uint64_t schedules = 2000) {
  ExploreOptions options;
  options.policy = "random";
  options.schedules = schedules;
  options.name = testing::UnitTest::GetInstance()->current_test_info()->name();
  return options;
}

void expect_found(FailureKind kind, const ExploreOptions& options, const std::function<void()>& body) {
  const Exploration found = explore(options, body);
  ASSERT_TRUE(found.failure) << found.schedules;
  EXPECT_EQ(found.failure->kind, kind) << describe(options, found);
  EXPECT_TRUE(found.failure->confirmed) << describe(options, found);
  EXPECT_NE(found.failure->replay_command, "");
}

TEST(Explore, a_correct_body_passes_every_schedule) {
  const Exploration result = explore(random_walk(500), [] {
    Mutex lock;
    int sum = 0;
    WaitGroup all;
    for (int i = 0; i < 3; ++i) {
      all.add();
      go([&, all]() mutable {
        {
          const std::lock_guard hold(lock);
          ++sum;
        }
        all.done();
      });
    }
    all.wait();
    expect(sum == 3, "sum");
  });
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.schedules, 500u);
}

TEST(Explore, a_panic_is_found) {
  expect_found(FailureKind::panic, random_walk(), [] { kernels::account(false); });
}

TEST(Explore, a_deadlock_is_found) {
  expect_found(FailureKind::deadlock, random_walk(), [] { kernels::deadlock01(false); });
}

TEST(Explore, a_goroutine_left_behind_is_found) {
  expect_found(FailureKind::leak, random_walk(), [] {
    Chan<int> never;
    go([never]() mutable { never.recv(); });
  });
}

TEST(Explore, a_failed_expectation_is_found) {
  expect_found(FailureKind::expectation, random_walk(), [] {
    Chan<int> values(2);
    go([values]() mutable { values.send(1); });
    go([values]() mutable { values.send(2); });
    expect(values.recv().value() == 1, "the first one comes first");
    values.recv();
  });
}

TEST(Explore, a_livelock_is_found) {
  ExploreOptions options = random_walk();
  options.max_steps = 2000;
  expect_found(FailureKind::livelock, options, [] {
    for (;;) yield();
  });
}

TEST(Explore, a_loop_that_waits_for_another_goroutine_is_no_livelock) {
  ExploreOptions options = random_walk(200);
  options.policy = "pct";
  options.max_steps = 2000;
  const Exploration result = explore(options, [] {
    Mutex lock;
    bool set = false;
    go([&] {
      const std::lock_guard hold(lock);
      set = true;
    });
    for (bool seen = false; !seen;) {
      const std::lock_guard hold(lock);
      seen = set;
    }
  });
  EXPECT_FALSE(result.failure);
}

TEST(Explore, a_crash_is_found) {
  expect_found(FailureKind::crash, random_walk(3), [] {
    auto* volatile nowhere = reinterpret_cast<volatile int*>(0x1'0000'0000);
    *nowhere = 1;
  });
}

TEST(Explore, a_nil_dereference_is_a_panic) {
  expect_found(FailureKind::panic, random_walk(3), [] {
    volatile int* nowhere = nullptr;
    *nowhere = 1;
  });
}

TEST(Explore, an_exit_of_the_body_is_found) {
  expect_found(FailureKind::exited, random_walk(3), [] { _exit(3); });
}

TEST(Explore, time_is_virtual_and_begins_anew) {
  const Exploration result = explore(random_walk(50), [] {
    const auto start = now();
    sleep_for(24h);
    expect(now() - start == 24h, "a day");
    static uint64_t first = start.time_since_epoch().count();
    expect(static_cast<uint64_t>(start.time_since_epoch().count()) == first, "every schedule begins at the same time");
  });
  EXPECT_FALSE(result.failure);
}

TEST(Explore, a_failure_replays_from_its_file) {
  const ExploreOptions options = random_walk();
  const auto body = [] { expect(explored_draw() % 50 != 7, "one draw in fifty"); };
  const Exploration found = explore(options, body);
  ASSERT_TRUE(found.failure);
  setenv("REPRISE_REPLAY", found.failure->file.c_str(), 1);
  const Exploration again = explore(options, body);
  unsetenv("REPRISE_REPLAY");
  ASSERT_TRUE(again.failure);
  EXPECT_EQ(again.failure->kind, found.failure->kind);
  EXPECT_EQ(again.failure->message, found.failure->message);
  EXPECT_EQ(again.schedules, 1u);
}

TEST(Explore, what_depends_on_earlier_schedules_is_told_apart) {
  static int calls = 0;
  const ExploreOptions options = random_walk();
  const Exploration found = explore(options, [] { expect(++calls < 5, "the fifth call"); });
  ASSERT_TRUE(found.failure);
  EXPECT_EQ(found.schedules, 5u);
  EXPECT_FALSE(found.failure->confirmed);
}

TEST(Explore, the_environment_overrides_options) {
  setenv("REPRISE_SCHEDULES", "7", 1);
  const Exploration result = explore(random_walk(500), [] {});
  unsetenv("REPRISE_SCHEDULES");
  EXPECT_EQ(result.schedules, 7u);
}

TEST(Explore, batches_run_in_children_of_their_own) {
  static int calls = 0;
  ExploreOptions options = random_walk(40);
  options.batch = 4;
  const Exploration result = explore(options, [] { expect(++calls <= 4, "a child has four schedules"); });
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.schedules, 40u);
}

class Kernels : public testing::TestWithParam<kernels::Kernel> {};

TEST_P(Kernels, the_bug_is_found_and_confirmed) {
  ExploreOptions options = random_walk(10'000);
  options.name = std::string("kernel_") + GetParam().name;
  const Exploration found = explore(options, [] { GetParam().run(false); });
  ASSERT_TRUE(found.failure);
  EXPECT_TRUE(found.failure->confirmed) << describe(options, found);
}

TEST_P(Kernels, the_twin_is_clean) {
  const Exploration result = explore(random_walk(2000), [] { GetParam().run(true); });
  EXPECT_FALSE(result.failure) << describe(random_walk(), result);
}

INSTANTIATE_TEST_SUITE_P(classic, Kernels, testing::ValuesIn(kernels::all()),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace reprise
