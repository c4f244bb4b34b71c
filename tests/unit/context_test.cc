// Contexts: cancellation down the tree, deadlines, causes, values, callbacks.
#include <reprise/context.h>

#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/select.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/schedules.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::under_schedules;
using test::VirtualTime;

TEST(Context, background_is_never_done) {
  const Context ctx = background();
  EXPECT_FALSE(ctx.done());
  EXPECT_EQ(ctx.err(), nullptr);
  EXPECT_EQ(ctx.cause(), nullptr);
  EXPECT_EQ(ctx.deadline(), std::nullopt);
}

TEST(Context, cancel_closes_done_and_says_why) {
  const auto [ctx, cancel] = with_cancel(background());
  EXPECT_EQ(ctx.err(), nullptr);
  EXPECT_EQ(ctx.done().try_recv(), std::nullopt);
  cancel();
  cancel();
  EXPECT_FALSE(ctx.done().recv());
  EXPECT_EQ(ctx.err(), &kCanceled);
  EXPECT_STREQ(ctx.err()->text(), "context canceled");
}

TEST(Context, cancel_reaches_everything_below_and_nothing_beside) {
  const auto [root, cancel_root] = with_cancel(background());
  const auto [left, cancel_left] = with_cancel(root);
  const auto [right, cancel_right] = with_cancel(root);
  const auto [leaf, cancel_leaf] = with_cancel(left);
  cancel_left();
  EXPECT_EQ(leaf.err(), &kCanceled);
  EXPECT_EQ(right.err(), nullptr);
  EXPECT_EQ(root.err(), nullptr);
  cancel_root();
  EXPECT_EQ(right.err(), &kCanceled);
}

TEST(Context, child_of_a_cancelled_context_is_born_cancelled) {
  const auto [parent, cancel] = with_cancel(background());
  cancel();
  const auto [child, cancel_child] = with_cancel(parent);
  EXPECT_EQ(child.err(), &kCanceled);
  EXPECT_FALSE(child.done().recv());
}

TEST(Context, deep_chain_is_cancelled_without_deep_recursion) {
  const auto [root, cancel] = with_cancel(background());
  std::vector<Cancelable> chain{with_cancel(root)};
  for (int i = 0; i < 20'000; ++i) chain.push_back(with_cancel(chain.back().ctx));
  cancel();
  EXPECT_EQ(chain.back().ctx.err(), &kCanceled);
  while (!chain.empty()) chain.pop_back();
}

TEST(Context, cancel_wakes_every_goroutine_that_watches) {
  under_schedules(50, [] {
    auto [ctx, cancel] = with_cancel(background());
    std::atomic<int> woken = 0;
    for (int i = 0; i < 5; ++i) {
      go([&, ctx = ctx] {
        select(on_recv(ctx.done(), [&] { ++woken; }),
               on_recv(Chan<int>(), [](int) { FAIL(); }));
      });
    }
    yield();
    cancel();
    test::expect_alone();
    ASSERT_EQ(woken.load(), 5);
  });
}

TEST(Context, timeout_ends_it) {
  const VirtualTime virtual_time;
  under_schedules(20, [] {
    const TimePoint start = now();
    const auto [ctx, cancel] = with_timeout(background(), 50ms);
    ASSERT_EQ(ctx.deadline(), start + 50ms);
    ctx.done().recv();
    ASSERT_EQ(ctx.err(), &kDeadlineExceeded);
    ASSERT_GE(now() - start, 50ms);
    cancel();
    ASSERT_EQ(ctx.err(), &kDeadlineExceeded);
  });
}

TEST(Context, deadline_in_the_past_ends_it_at_once) {
  const auto [ctx, cancel] = with_deadline(background(), now() - 1s);
  EXPECT_EQ(ctx.err(), &kDeadlineExceeded);
}

TEST(Context, childs_later_deadline_changes_nothing) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  const auto [parent, cancel_parent] = with_timeout(background(), 10ms);
  const auto [child, cancel_child] = with_timeout(parent, 1h);
  EXPECT_EQ(child.deadline(), start + 10ms);
  child.done().recv();
  EXPECT_EQ(child.err(), &kDeadlineExceeded);
  EXPECT_EQ(now() - start, 10ms);
}

TEST(Context, cancelled_before_its_deadline_leaves_no_timer) {
  const VirtualTime virtual_time;
  const TimePoint start = now();
  {
    const auto [ctx, cancel] = with_timeout(background(), 1h);
    cancel();
    EXPECT_EQ(ctx.err(), &kCanceled);
  }
  sleep_for(1ms);
  EXPECT_EQ(now() - start, 1ms);
  EXPECT_EQ(num_goroutine(), 1u);
}

TEST(Context, forgotten_child_is_still_ended_by_its_parents_deadline) {
  const VirtualTime virtual_time;
  Chan<Unit> done(nullptr);
  {
    const Context parent = with_timeout(background(), 10ms).ctx;
    done = parent.done();
  }
  EXPECT_FALSE(done.recv());
  test::expect_alone();
}

const ContextError kShutdown("shutting down");

TEST(Context, cause_is_the_first_cancellers) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel_child] = with_cancel(parent);
  cancel_parent(&kShutdown);
  cancel_child();
  EXPECT_EQ(parent.err(), &kCanceled);
  EXPECT_EQ(parent.cause(), &kShutdown);
  EXPECT_EQ(child.cause(), &kShutdown);
}

TEST(Context, cause_of_a_deadline_can_be_given) {
  const VirtualTime virtual_time;
  const auto [ctx, cancel] = with_timeout(background(), 1ms, &kShutdown);
  ctx.done().recv();
  EXPECT_EQ(ctx.err(), &kDeadlineExceeded);
  EXPECT_EQ(ctx.cause(), &kShutdown);
}

const ContextKey<std::string> kUser;
const ContextKey<int> kDepth;

TEST(Context, values_are_found_upwards_and_shadowed_downwards) {
  const Context root = with_value(background(), kUser, "ada");
  const auto [middle, cancel] = with_cancel(root);
  const Context leaf = with_value(with_value(middle, kDepth, 3), kUser, "grace");
  EXPECT_EQ(*leaf.value(kUser), "grace");
  EXPECT_EQ(*middle.value(kUser), "ada");
  EXPECT_EQ(*leaf.value(kDepth), 3);
  EXPECT_EQ(middle.value(kDepth), nullptr);
}

TEST(Context, without_cancel_keeps_values_only) {
  const auto [parent, cancel] = with_cancel(with_value(background(), kDepth, 7));
  const Context detached = without_cancel(parent);
  cancel();
  EXPECT_EQ(detached.err(), nullptr);
  EXPECT_FALSE(detached.done());
  EXPECT_EQ(*detached.value(kDepth), 7);
}

TEST(ContextAfterFunc, runs_once_the_context_is_done) {
  under_schedules(30, [] {
    auto [ctx, cancel] = with_cancel(background());
    int runs = 0;
    const auto stop = after_func(ctx, [&] { ++runs; });
    for (int i = 0; i < 10; ++i) yield();
    ASSERT_EQ(runs, 0);
    cancel();
    test::expect_alone();
    ASSERT_EQ(runs, 1);
    ASSERT_FALSE(stop());
  });
}

TEST(ContextAfterFunc, runs_though_its_stopper_was_dropped) {
  auto [ctx, cancel] = with_cancel(background());
  int runs = 0;
  after_func(ctx, [&] { ++runs; });
  cancel();
  test::expect_alone();
  EXPECT_EQ(runs, 1);
}

TEST(ContextAfterFunc, stopped_never_runs_and_releases_what_it_holds) {
  auto witness = std::make_shared<int>(0);
  auto [ctx, cancel] = with_cancel(background());
  {
    const auto stop = after_func(ctx, [witness] { FAIL(); });
    EXPECT_TRUE(stop());
    EXPECT_FALSE(stop());
  }
  EXPECT_EQ(witness.use_count(), 1);
  cancel();
  test::expect_alone();
}

TEST(ContextAfterFunc, of_a_done_context_runs_at_once) {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  bool ran = false;
  after_func(ctx, [&] { ran = true; });
  test::expect_alone();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace reprise
