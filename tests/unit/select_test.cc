// select: one case, in one instant, fairly chosen.
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <string>
#include <vector>

#include "tests/support/schedules.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::under_schedules;

TEST(Select, takes_the_only_ready_case) {
  Chan<int> a(1), b(1);
  b.send(7);
  int got = 0;
  select(on_recv(a, [&](std::optional<int>) { FAIL(); }),
         on_recv(b, [&](std::optional<int> v) { got = *v; }));
  EXPECT_EQ(got, 7);
}

TEST(Select, sends_where_there_is_room) {
  Chan<int> full(1), roomy(1);
  full.send(1);
  bool sent = false;
  select(on_send(full, 2, [] { FAIL(); }), on_send(roomy, 3, [&] { sent = true; }));
  EXPECT_TRUE(sent);
  EXPECT_EQ(roomy.recv(), 3);
  EXPECT_EQ(full.len(), 1);
}

TEST(Select, otherwise_is_taken_when_nothing_is_ready) {
  Chan<int> a;
  std::string taken;
  select(on_recv(a, [&](int) { taken = "recv"; }), on_send(a, 1, [&] { taken = "send"; }),
         otherwise([&] { taken = "otherwise"; }));
  EXPECT_EQ(taken, "otherwise");
}

TEST(Select, otherwise_alone_does_not_block) {
  bool taken = false;
  select(otherwise([&] { taken = true; }));
  EXPECT_TRUE(taken);
}

TEST(Select, nil_channels_are_never_chosen) {
  const Chan<int> nil(nullptr);
  Chan<int> ready(1);
  ready.send(1);
  bool right = false;
  select(on_recv(nil, [](int) { FAIL(); }), on_send(nil, 1, [] { FAIL(); }),
         on_recv(ready, [&](int) { right = true; }));
  EXPECT_TRUE(right);
}

TEST(Select, waits_until_somebody_sends) {
  under_schedules(50, [] {
    Chan<int> a, b;
    go([=] { b.send(5); });
    int got = 0;
    select(on_recv(a, [&](int) { got = -1; }), on_recv(b, [&](int v) { got = v; }));
    ASSERT_EQ(got, 5);
  });
}

TEST(Select, waits_until_somebody_receives) {
  under_schedules(50, [] {
    Chan<std::string> a, b;
    std::string got;
    go([=, &got] { got = *a.recv(); });
    bool sent = false;
    select(on_send(a, "for a, and long enough to be on the heap", [&] { sent = true; }),
           on_send(b, "for b", [] { FAIL(); }));
    ASSERT_TRUE(sent);
    test::expect_alone();
    ASSERT_EQ(got, "for a, and long enough to be on the heap");
  });
}

TEST(Select, closed_channel_is_ready_and_says_so) {
  Chan<int> ch;
  ch.close();
  bool closed = false;
  select(on_recv(ch, [&](std::optional<int> v) { closed = !v; }));
  EXPECT_TRUE(closed);
  int got = 42;
  select(on_recv(ch, [&](int v) { got = v; }));
  EXPECT_EQ(got, 0);
}

TEST(Select, close_wakes_a_select_that_waits) {
  under_schedules(50, [] {
    Chan<int> a, b;
    go([=] { a.close(); });
    bool closed = false;
    select(on_recv(a, [&](std::optional<int> v) { closed = !v; }), on_recv(b, [](int) { FAIL(); }));
    ASSERT_TRUE(closed);
  });
}

TEST(Select, same_channel_in_several_cases_is_locked_once) {
  under_schedules(50, [] {
    Chan<int> ch;
    int received = 0, sent = 0;
    go([=, &received] {
      for (int i = 0; i < 4; ++i) received += *ch.recv();
    });
    for (int i = 0; i < 4; ++i) {
      select(on_send(ch, 1, [&] { ++sent; }), on_send(ch, 1, [&] { ++sent; }),
             on_recv(Chan<int>(nullptr), [](int) { FAIL(); }));
    }
    test::expect_alone();
    ASSERT_EQ(sent, 4);
    ASSERT_EQ(received, 4);
  });
}

TEST(Select, two_selects_meet_each_other) {
  under_schedules(100, [] {
    Chan<int> a, b;
    int got = 0;
    go([=, &got] {
      select(on_send(a, 1, [] {}), on_recv(b, [&](int v) { got = v; }));
    });
    select(on_recv(a, [&](int v) { got = v; }), on_send(b, 2, [] {}));
    test::expect_alone();
    ASSERT_TRUE(got == 1 || got == 2);
  });
}

TEST(Select, goroutine_does_not_meet_itself) {
  Chan<int> ch;
  bool neither = false;
  select(on_send(ch, 1, [] { FAIL(); }), on_recv(ch, [](int) { FAIL(); }),
         otherwise([&] { neither = true; }));
  EXPECT_TRUE(neither);
}

TEST(Select, otherwise_beside_one_case_runs_it_if_it_is_ready) {
  Chan<int> ch(1);
  std::string taken;
  const auto look = [&] {
    select(on_recv(ch, [&](std::optional<int> v) { taken += v ? std::to_string(*v) : "closed"; }),
           otherwise([&] { taken += "-"; }));
  };
  const auto offer = [&](int v) { select(otherwise([&] { taken += "full "; }), on_send(ch, v, [&] { taken += "sent "; })); };
  look();
  offer(1);
  offer(2);
  look();
  ch.close();
  look();
  ch = nullptr;
  look();
  offer(3);
  EXPECT_EQ(taken, "-sent full 1closed-full ");
}

TEST(Select, case_of_a_temporary_keeps_its_channel) {
  int got = 0;
  const auto made = [&] {
    Chan<int> ch(1);
    ch.send(7);
    return on_recv(std::move(ch), [&](int v) { got = v; });
  };
  auto kept = made();
  select(kept);
  EXPECT_EQ(got, 7);
}

// The select borrows channels of this frame, which goes once it has the value. Builds with AddressSanitizer see a select
// that unlocks a channel which is gone.
TEST(Select, channels_may_go_as_soon_as_a_case_was_taken) {
  under_schedules(30, [] {
    for (int round = 0; round < 20; ++round) {
      Chan<int> older, taken(round % 2), younger;
      go([&] {
        select(on_recv(older, [](int) { FAIL(); }), on_send(taken, 1, [] {}), on_recv(younger, [](int) { FAIL(); }));
      });
      ASSERT_EQ(taken.recv(), 1);
    }
  });
}

TEST(Select, waiter_of_a_select_that_fired_elsewhere_is_passed_over) {
  Chan<int> a, b;
  int from_select = 0, from_recv = 0;
  const auto add = [&](int v) { from_select += v; };
  go([&] { select(on_recv(a, add), on_recv(b, add)); });
  go([&] { from_recv = *b.recv(); });
  yield();       // both wait, the select first in line of b
  a.send(1);     // fires the select, which has not run yet
  b.send(10);
  test::expect_alone();
  EXPECT_EQ(from_select, 1);
  EXPECT_EQ(from_recv, 10);
}

// 3,000 draws between two ready cases: a fair choice leaves either below 1,200 with a probability
// below 1e-27.
TEST(Select, ready_cases_are_chosen_evenly) {
  Chan<int> a(1), b(1);
  int counts[2] = {};
  for (int i = 0; i < 3000; ++i) {
    a.try_send(0);
    b.try_send(0);
    select(on_recv(a, [&] { ++counts[0]; }), on_recv(b, [&] { ++counts[1]; }));
  }
  EXPECT_GT(counts[0], 1200);
  EXPECT_GT(counts[1], 1200);
}

// The select always waits first, so its cases are queued. 300 draws leave either below 75 with a
// probability below 1e-17.
TEST(Select, cases_that_wait_on_one_channel_are_taken_evenly) {
  const Chan<int> ch;
  int counts[2] = {};
  go([&, ch] {
    for (int i = 0; i < 300; ++i) {
      for (int k = 0; k < 3; ++k) yield();
      ++counts[*ch.recv()];
    }
    ch.close();
  });
  for (int i = 0; i < 300; ++i) select(on_send(ch, 0, [] {}), on_send(ch, 1, [] {}));
  EXPECT_FALSE(ch.recv().has_value());
  EXPECT_GT(counts[0], 75);
  EXPECT_GT(counts[1], 75);
}

TEST(Select, timeout_is_taken_when_nothing_comes) {
  const test::VirtualTime virtual_time;
  under_schedules(20, [] {
    Chan<int> ch;
    const TimePoint start = now();
    bool timed_out = false;
    select(on_recv(ch, [](int) { FAIL(); }), on_timeout(50ms, [&] { timed_out = true; }));
    ASSERT_TRUE(timed_out);
    ASSERT_GE(now() - start, 50ms);
  });
}

TEST(Select, value_in_time_beats_the_timeout_and_leaves_no_timer) {
  const test::VirtualTime virtual_time;
  under_schedules(20, [] {
    Chan<int> ch;
    go([=] {
      sleep_for(10ms);
      ch.send(3);
    });
    int got = 0;
    select(on_recv(ch, [&](int v) { got = v; }), on_timeout(1h, [] { FAIL(); }));
    ASSERT_EQ(got, 3);
    test::expect_alone();
    ASSERT_LT(now() - TimePoint(), 1h);  // nothing waited for the timer
  });
}

TEST(Select, ready_case_needs_no_clock) {
  Chan<int> ch(1);
  ch.send(1);
  int got = 0;
  select(on_recv(ch, [&](int v) { got = v; }), on_timeout(0ns, [] { FAIL(); }));
  EXPECT_EQ(got, 1);
}

TEST(Select, unsent_values_are_destroyed) {
  auto witness = std::make_shared<int>(0);
  Chan<std::shared_ptr<int>> ch;
  select(on_send(ch, witness, [] { FAIL(); }), otherwise([] {}));
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Select, many_cases_need_no_small_buffer) {
  under_schedules(10, [] {
    std::vector<Chan<int>> c(12);
    for (auto& ch : c) ch = Chan<int>();
    go([=] { c[11].send(11); });
    int got = 0;
    auto f = [&](int v) { got = v; };
    select(on_recv(c[0], f), on_recv(c[1], f), on_recv(c[2], f), on_recv(c[3], f),
           on_recv(c[4], f), on_recv(c[5], f), on_recv(c[6], f), on_recv(c[7], f),
           on_recv(c[8], f), on_recv(c[9], f), on_recv(c[10], f), on_recv(c[11], f));
    ASSERT_EQ(got, 11);
  });
}

TEST(Select, fan_in_receives_everything_from_everybody) {
  under_schedules(20, [] {
    Chan<int> a, b(2);
    const auto feed = [](Chan<int> ch, int base) {
      for (int i = 0; i < 50; ++i) ch.send(base + i);
      ch.close();
    };
    go([=] { feed(a, 0); });
    go([=] { feed(b, 50); });
    std::vector<int> seen(100);
    Chan<int> open_a = a, open_b = b;
    while (open_a || open_b) {
      const auto take = [&](Chan<int>& from) {
        return [&](std::optional<int> v) {
          if (v) {
            ++seen[static_cast<size_t>(*v)];
          } else {
            from = Chan<int>(nullptr);
          }
        };
      };
      select(on_recv(open_a, take(open_a)), on_recv(open_b, take(open_b)));
    }
    for (int n : seen) ASSERT_EQ(n, 1);
  });
}

const testing::ExitedWithCode kPanicked(2);

TEST(SelectDeathTest, chosen_send_on_closed_channel_panics) {
  Chan<int> ch;
  ch.close();
  EXPECT_EXIT(select(on_send(ch, 1, [] {})), kPanicked, "panic: send on closed channel");
}

TEST(SelectDeathTest, close_under_a_select_that_waits_to_send_makes_it_panic) {
  EXPECT_EXIT(
      {
        Chan<int> a;
        Chan<int> b;
        go([=] { a.close(); });
        select(on_send(a, 1, [] {}), on_send(b, 1, [] {}));
      },
      kPanicked, "panic: send on closed channel");
}

TEST(SelectDeathTest, select_without_cases_waits_for_ever) {
  EXPECT_EXIT(select(), kPanicked, "select \\(no cases\\)");
  EXPECT_EXIT(select(on_recv(Chan<int>(nullptr), [](int) {})), kPanicked, "deadlock");
}

}  // namespace
}  // namespace reprise
