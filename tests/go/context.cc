// Go's context tests: context_test.go, x_test.go, net_test.go, example_test.go.
#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::must_not_happen;
using test::nothing;
using test::rounds;
using test::until;

constexpr Duration kShort = 1ms;
constexpr Duration kVeryLong = 1000h;

bool is_done(const Context& ctx) {
  bool done = false;
  select(on_recv(ctx.done(), [&] { done = true; }), otherwise(nothing));
  return done;
}

void expect_canceled(const Context& ctx) {
  EXPECT_TRUE(is_done(ctx));
  EXPECT_EQ(ctx.err(), &kCanceled);
}

void expect_alive(const Context& ctx) {
  EXPECT_FALSE(is_done(ctx));
  EXPECT_EQ(ctx.err(), nullptr);
}

bool begins(const std::string& text, std::string_view prefix) { return text.starts_with(prefix); }

// ---- TestBackground, TestTODO ----------------------------------------------------------------------

TEST(Background, is_never_done) {
  expect_alive(background());
  EXPECT_FALSE(background().done());
  EXPECT_FALSE(background().deadline());
}
TEST(Background, says_its_name) { EXPECT_EQ(background().to_string(), "context.Background"); }
TEST(Todo, is_never_done) { expect_alive(todo()); }
TEST(Todo, says_its_name) { EXPECT_EQ(todo().to_string(), "context.TODO"); }

// ---- TestWithCancel, TestWithCancelCanceledParent ----------------------------------------------------

TEST(WithCancel, says_how_it_was_derived) {
  const auto [ctx, cancel] = with_cancel(background());
  EXPECT_EQ(ctx.to_string(), "context.Background.WithCancel");
}

TEST(WithCancel, is_alive_until_cancelled) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel_child] = with_cancel(parent);
  for (const Context& ctx : {parent, child}) {
    EXPECT_TRUE(ctx.done());
    expect_alive(ctx);
  }
}

TEST(WithCancel, has_ended_with_all_below_when_cancel_returns) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel_child] = with_cancel(parent);
  cancel_parent();
  expect_canceled(parent);
  expect_canceled(child);
}

TEST(WithCancel, of_a_cancelled_parent_is_born_cancelled) {
  const auto [parent, cancel_parent] = with_cancel(background());
  cancel_parent();
  const auto [child, cancel_child] = with_cancel(parent);
  expect_canceled(child);
}

TEST(WithCancel, may_be_cancelled_twice) {
  const auto [ctx, cancel] = with_cancel(background());
  cancel();
  cancel();
  expect_canceled(ctx);
}

// ---- TestParentFinishesChild, TestChildFinishesFirst, TestCancelRemoves --------------------------------

constexpr ContextKey<std::string> kKey;

struct Family {
  Cancelable parent = with_cancel(background());
  Cancelable cancel_child = with_cancel(parent.ctx);
  Context value_child = with_value(parent.ctx, kKey, "value");
  Cancelable timer_child = with_timeout(value_child, kVeryLong);
  std::vector<Context> all() const {
    return {parent.ctx, cancel_child.ctx, value_child, timer_child.ctx};
  }
};

TEST(ContextTree, nobody_is_done_before_the_parent) {
  const Family family;
  for (const Context& ctx : family.all()) expect_alive(ctx);
}

TEST(ContextTree, parent_knows_the_children_that_can_be_cancelled_also_through_values) {
  const Family family;
  EXPECT_EQ(detail::context_children_for_test(family.parent.ctx), 2u);
}

TEST(ContextTree, cancelled_parent_ends_all_children_and_forgets_them) {
  const Family family;
  family.parent.cancel();
  for (const Context& ctx : family.all()) expect_canceled(ctx);
  EXPECT_EQ(detail::context_children_for_test(family.parent.ctx), 0u);
}

TEST(ContextTree, value_below_a_cancelled_parent_is_cancelled) {
  const Family family;
  family.parent.cancel();
  expect_canceled(with_value(family.parent.ctx, kKey, "value"));
}

TEST(ContextTree, child_of_background_ends_alone) {
  const auto [child, cancel] = with_cancel(background());
  cancel();
  expect_canceled(child);
  expect_alive(background());
}

TEST(ContextTree, child_that_ends_first_leaves_its_parent_alive) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel] = with_cancel(parent);
  cancel();
  expect_canceled(child);
  expect_alive(parent);
}

TEST(ContextTree, cancelled_child_is_forgotten_by_its_parent) {
  const auto [parent, cancel_parent] = with_cancel(background());
  EXPECT_EQ(detail::context_children_for_test(parent), 0u);
  const auto [child, cancel] = with_cancel(parent);
  EXPECT_EQ(detail::context_children_for_test(parent), 1u);
  cancel();
  EXPECT_EQ(detail::context_children_for_test(parent), 0u);
}

TEST(ContextTree, cancelled_child_with_a_timeout_is_forgotten_by_its_parent) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel] = with_timeout(parent, 1h);
  EXPECT_EQ(detail::context_children_for_test(parent), 1u);
  cancel();
  EXPECT_EQ(detail::context_children_for_test(parent), 0u);
}

// ---- TestDeadline, TestTimeout, TestCanceledTimeout ------------------------------------------------------

void expect_deadline_passes(const Context& ctx) {
  ctx.done().recv();  // for ever, if it does not
  EXPECT_EQ(ctx.err(), &kDeadlineExceeded);
}

TEST(WithDeadline, says_how_it_was_derived) {
  const auto [ctx, cancel] = with_deadline(background(), now() + kVeryLong);
  EXPECT_TRUE(begins(ctx.to_string(), "context.Background.WithDeadline(")) << ctx.to_string();
  cancel();
}
TEST(WithDeadline, ends_at_the_deadline_and_not_before) {
  const TimePoint deadline = now() + kShort;
  const auto [ctx, cancel] = with_deadline(background(), deadline);
  EXPECT_EQ(ctx.deadline(), deadline);
  expect_deadline_passes(ctx);
  EXPECT_GE(now(), deadline);
}
TEST(WithDeadline, later_than_the_parents_ends_with_the_parent) {
  const auto [parent, cancel_parent] = with_deadline(background(), now() + kShort);
  const auto [ctx, cancel] = with_deadline(parent, now() + kVeryLong);
  EXPECT_EQ(ctx.deadline(), parent.deadline());
  expect_deadline_passes(ctx);
}
TEST(WithDeadline, of_the_past_is_born_ended) {
  const auto [ctx, cancel] = with_deadline(background(), now() - kShort);
  EXPECT_TRUE(is_done(ctx));
  EXPECT_EQ(ctx.err(), &kDeadlineExceeded);
}
TEST(WithDeadline, of_now_is_born_ended) {
  const auto [ctx, cancel] = with_deadline(background(), now());
  expect_deadline_passes(ctx);
}

TEST(WithTimeout, says_how_it_was_derived) {
  const auto [ctx, cancel] = with_timeout(background(), kVeryLong);
  EXPECT_TRUE(begins(ctx.to_string(), "context.Background.WithDeadline(")) << ctx.to_string();
  cancel();
}
TEST(WithTimeout, ends_after_it) {
  const TimePoint start = now();
  const auto [ctx, cancel] = with_timeout(background(), kShort);
  expect_deadline_passes(ctx);
  EXPECT_GE(now(), start + kShort);
}
TEST(WithTimeout, longer_than_the_parents_ends_with_the_parent) {
  const auto [parent, cancel_parent] = with_timeout(background(), kShort);
  const auto [ctx, cancel] = with_timeout(parent, kVeryLong);
  expect_deadline_passes(ctx);
}
TEST(WithTimeout, cancelled_in_time_was_cancelled) {
  const auto [parent, cancel_parent] = with_timeout(background(), kVeryLong);
  const auto [ctx, cancel] = with_timeout(parent, 2 * kVeryLong);
  cancel();
  expect_canceled(ctx);
  expect_alive(parent);
  cancel_parent();
}

// ---- TestValues, TestWithValueChecksKey ----------------------------------------------------------------------

constexpr ContextKey<std::string> k1, k2, k3;

// What the three keys yield; "" for nothing.
void expect_values(const Context& ctx, std::string v1, std::string v2, std::string v3) {
  const auto text = [&](const auto& key) {
    const std::string* value = ctx.value(key);
    return value == nullptr ? "" : *value;
  };
  EXPECT_EQ(text(k1), v1);
  EXPECT_EQ(text(k2), v2);
  EXPECT_EQ(text(k3), v3);
}

TEST(WithValue, background_has_none) { expect_values(background(), "", "", ""); }
TEST(WithValue, is_found_by_its_key_only) {
  expect_values(with_value(background(), k1, "c1k1"), "c1k1", "", "");
}
TEST(WithValue, says_how_it_was_derived) {
  EXPECT_EQ(with_value(background(), k1, "c1k1").to_string(), "context.Background.WithValue");
}
TEST(WithValue, values_of_different_keys_add_up) {
  const Context c1 = with_value(background(), k1, "c1k1");
  const Context c2 = with_value(c1, k2, "c2k2");
  const Context c3 = with_value(c2, k3, "c3k3");
  expect_values(c2, "c1k1", "c2k2", "");
  expect_values(c3, "c1k1", "c2k2", "c3k3");
}
TEST(WithValue, nearer_value_hides_the_farther_one) {
  const Context c1 = with_value(background(), k1, "c1k1");
  const Context c2 = with_value(with_value(c1, k2, "c2k2"), k1, "");
  expect_values(c2, "", "c2k2", "");
  expect_values(c1, "c1k1", "", "");
}
TEST(WithValue, is_found_through_contexts_that_can_be_cancelled) {
  const auto [ctx, cancel] = with_cancel(with_value(background(), k1, "c1k1"));
  const auto [below, cancel_below] = with_timeout(with_value(ctx, k2, "c2k2"), kVeryLong);
  expect_values(below, "c1k1", "c2k2", "");
  cancel();
  expect_values(below, "c1k1", "c2k2", "");
}
TEST(WithValue, keys_of_equal_type_differ_by_identity) {
  static_assert(!std::is_copy_constructible_v<ContextKey<std::string>>);
  const Context ctx = with_value(background(), k1, "one");
  EXPECT_EQ(ctx.value(k2), nullptr);
}

// ---- TestSimultaneousCancels, TestInterlockedCancels -----------------------------------------------------------

TEST(ContextRace, every_node_of_a_tree_cancelled_at_once_ends) {
  std::vector<Cancelable> nodes{with_cancel(background())};
  const size_t size = rounds(100, 100);
  for (size_t parent = 0; nodes.size() < size; ++parent) {
    for (int i = 0; i < 4; ++i) nodes.push_back(with_cancel(nodes[parent].ctx));
  }
  WaitGroup cancelled(static_cast<int64_t>(nodes.size()));
  for (const Cancelable& node : nodes) {
    go([cancel = node.cancel, cancelled]() mutable {
      cancel();
      cancelled.done();
    });
  }
  for (const Cancelable& node : nodes) node.ctx.done().recv();
  cancelled.wait();
  for (const Cancelable& node : nodes) expect_canceled(node.ctx);
}

TEST(ContextRace, child_cancelled_because_its_parent_was_ends) {
  const auto [parent, cancel_parent] = with_cancel(background());
  const auto [child, cancel_child] = with_cancel(parent);
  go([parent = parent, cancel_child = cancel_child] {
    parent.done().recv();
    cancel_child();
  });
  cancel_parent();
  child.done().recv();
  expect_canceled(child);
}

// ---- TestLayersCancel, TestLayersTimeout ---------------------------------------------------------------------------

// A chain of contexts of all kinds in an order that the seed decides.
struct Layers {
  Layers(uint32_t seed, Duration timeout) {
    for (int i = 0; i < 30 || keys.empty() || cancels.empty() || timers == 0; ++i) {
      seed = seed * 1664525 + 1013904223;
      add((seed >> 16) % 3, timeout);
    }
  }
  ~Layers() {
    for (const CancelFunc& cancel : cancels) cancel();
  }
  void expect_values() const {
    for (const auto& key : keys) {
      const auto* value = ctx.value(*key);
      ASSERT_NE(value, nullptr);
      EXPECT_EQ(*value, key.get());
    }
  }

  using Key = ContextKey<const void*>;
  Context ctx = background();
  std::vector<std::unique_ptr<Key>> keys;
  std::vector<CancelFunc> cancels;
  int timers = 0;

 private:
  void add(uint32_t kind, Duration timeout) {
    if (kind == 0) {
      keys.push_back(std::make_unique<Key>());
      ctx = with_value(ctx, *keys.back(), static_cast<const void*>(keys.back().get()));
      return;
    }
    const Cancelable next = kind == 1 ? with_cancel(ctx) : with_timeout(ctx, timeout);
    ctx = next.ctx;
    cancels.push_back(next.cancel);
    timers += kind == 2;
  }
};

TEST(ContextLayers, any_cancel_of_a_deep_chain_ends_its_lower_end) {
  for (uint32_t seed = 1; seed <= static_cast<uint32_t>(rounds(20, 3)); ++seed) {
    const Layers layers(seed, kVeryLong);
    EXPECT_FALSE(is_done(layers.ctx));
    EXPECT_TRUE(begins(layers.ctx.to_string(), "context.Background."));
    layers.expect_values();
    layers.cancels[seed % layers.cancels.size()]();
    expect_canceled(layers.ctx);
    layers.expect_values();
  }
}

TEST(ContextLayers, any_timeout_of_a_deep_chain_ends_its_lower_end) {
  for (uint32_t seed = 1; seed <= static_cast<uint32_t>(rounds(20, 3)); ++seed) {
    const Layers layers(seed, kShort);
    layers.expect_values();
    expect_deadline_passes(layers.ctx);
    layers.expect_values();
  }
}

// ---- TestDeadlineExceededSupportsTimeout, TestDeadlineExceededIsNetError -------------------------------------------

TEST(DeadlineExceeded, is_a_timeout) {
  EXPECT_TRUE(kDeadlineExceeded.timeout());
  EXPECT_FALSE(kCanceled.timeout());
}
TEST(DeadlineExceeded, errors_have_gos_texts) {
  EXPECT_STREQ(kDeadlineExceeded.text(), "context deadline exceeded");
  EXPECT_STREQ(kCanceled.text(), "context canceled");
}

// ---- TestCustomContextGoroutines: contexts of the library start none -----------------------------------------------

TEST(ContextGoroutines, deriving_and_cancelling_starts_none) {
  const uint64_t before = num_goroutine();
  const auto [c1, cancel1] = with_cancel(background());
  const auto [c2, cancel2] = with_cancel(with_value(c1, k1, "x"));
  const auto [c3, cancel3] = with_timeout(c2, kVeryLong);
  const auto [c4, cancel4] = with_cancel(c3);
  EXPECT_EQ(num_goroutine(), before);
  cancel4();
  const auto [c5, cancel5] = with_timeout(c4, kVeryLong);
  cancel5();
  cancel1();
  const auto [c6, cancel6] = with_cancel(c4);
  EXPECT_EQ(num_goroutine(), before);
}

// ---- examples --------------------------------------------------------------------------------------------------------

// 1, 2, 3, … until the context ends.
Chan<int> generate(const Context& ctx) {
  const Chan<int> out;
  go([=] {
    bool more = true;
    for (int n = 1; more; ++n) {
      select(on_recv(ctx.done(), [&] { more = false; }), on_send(out, n, nothing));
    }
  });
  return out;
}

TEST(ContextExample, cancel_ends_a_generator) {
  const auto [ctx, cancel] = with_cancel(background());
  std::vector<int> got;
  for (int n : generate(ctx)) {
    got.push_back(n);
    if (n == 5) break;
  }
  EXPECT_EQ(got, (std::vector<int>{1, 2, 3, 4, 5}));
  cancel();
}

const ContextError* overslept_or_ended(const Context& ctx) {
  Timer overslept(10h);
  const ContextError* why = nullptr;
  select(on_recv(overslept.chan(), must_not_happen), on_recv(ctx.done(), [&] { why = ctx.err(); }));
  overslept.stop();
  return why;
}

TEST(ContextExample, deadline_beats_a_longer_wait) {
  const auto [ctx, cancel] = with_deadline(background(), now() + kShort);
  EXPECT_EQ(overslept_or_ended(ctx), &kDeadlineExceeded);
  cancel();
}
TEST(ContextExample, timeout_beats_a_longer_wait) {
  const auto [ctx, cancel] = with_timeout(background(), kShort);
  EXPECT_EQ(overslept_or_ended(ctx), &kDeadlineExceeded);
  cancel();
}
TEST(ContextExample, value_is_found_or_not) {
  static constexpr ContextKey<std::string> language, color;
  const Context ctx = with_value(background(), language, "Go");
  EXPECT_EQ(*ctx.value(language), "Go");
  EXPECT_EQ(ctx.value(color), nullptr);
}

}  // namespace
}  // namespace reprise
