// Go's select programs: test/chan/select.go to select8.go. What waits for ever is in endings.cc.
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using test::must_not_happen;
using test::nothing;
using test::rounds;
using test::settle;
using test::until;

const Chan<int> kNil(nullptr);

// ---- select ------------------------------------------------------------------------------------

struct Counter {
  unsigned calls = 0;
  unsigned shift = 0;
  unsigned next() {
    ++calls;
    return 1u << shift;
  }
  // Sends to each of the two that has room, once; how many that were.
  int send(Chan<unsigned> a, Chan<unsigned> b) {
    int sent = 0;
    for (bool more = true; more; ++shift) {
      select(on_send(a, next(), [&] { ++sent, a = nullptr; }),
             on_send(b, next(), [&] { ++sent, b = nullptr; }),
             otherwise([&] { more = false, --shift; }));
    }
    return sent;
  }
};

TEST(Select, a_case_set_to_nil_is_left_out_of_the_next_round) {
  Counter counter;
  const Chan<unsigned> a(1), b(1);
  EXPECT_EQ(counter.send(a, b), 2);
  EXPECT_EQ(*a.recv() | *b.recv(), 3u);
  EXPECT_EQ(counter.send(a, nullptr), 1);
}

TEST(Select, the_values_of_all_cases_are_computed_once_a_round_taken_or_not) {
  Counter counter;
  const Chan<unsigned> a(1), b(1);
  counter.send(a, b);  // three rounds: two sends and otherwise
  EXPECT_EQ(counter.calls, 6u);
  a.recv();
  counter.send(a, nullptr);  // two
  EXPECT_EQ(counter.calls, 10u);
}

// ---- select3: nil, closed, ready, self -----------------------------------------------------------

TEST(SelectBasics, send_to_nil_is_not_chosen) {
  bool taken = false;
  select(on_send(kNil, 7, must_not_happen), otherwise([&] { taken = true; }));
  EXPECT_TRUE(taken);
}

TEST(SelectBasics, receive_from_nil_is_not_chosen) {
  bool taken = false;
  select(on_recv(kNil, must_not_happen), otherwise([&] { taken = true; }));
  EXPECT_TRUE(taken);
}

TEST(SelectBasics, send_to_a_buffer_with_room_does_not_wait) {
  const Chan<int> ch(1);
  ch.send(7);
  EXPECT_EQ(ch.len(), 1);
}

TEST(SelectBasics, receive_from_a_closed_channel_yields_nothing_at_once_for_ever) {
  const Chan<int> ch;
  ch.close();
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(ch.recv().has_value());
    int v = 5;
    EXPECT_FALSE(ch.recv(v));
    EXPECT_EQ(v, 5);
  }
}

// f waits until release() is called, and only until then.
template <class F, class Release>
void expect_waits(F f, Release release) {
  std::atomic<bool> through{false};
  go([&] {
    f();
    through = true;
  });
  settle();
  EXPECT_FALSE(through);
  release();
  until([&] { return through.load(); });
}

TEST(SelectBasics, receive_waits_for_a_sender) {
  const Chan<int> ch;
  expect_waits([=] { EXPECT_EQ(ch.recv(), 7); }, [=] { ch.send(7); });
}

TEST(SelectBasics, one_case_that_is_not_ready_waits) {
  const Chan<int> ch;
  int got = 0;
  expect_waits([=, &got] { select(on_recv(ch, [&](int v) { got = v; })); }, [=] { ch.send(7); });
  EXPECT_EQ(got, 7);
}

TEST(SelectBasics, nil_beside_a_channel_that_is_not_ready_changes_nothing) {
  const Chan<int> ch;
  int got = 0;
  expect_waits(
      [=, &got] {
        select(on_recv(kNil, must_not_happen), on_recv(ch, [&](int v) { got = v; }),
               on_send(kNil, 1, must_not_happen));
      },
      [=] { ch.send(7); });
  EXPECT_EQ(got, 7);
}

TEST(SelectBasics, otherwise_alone_does_not_wait) {
  bool taken = false;
  select(otherwise([&] { taken = true; }));
  EXPECT_TRUE(taken);
}

TEST(SelectBasics, ready_send_beats_otherwise) {
  const Chan<int> ch(1);
  select(on_send(ch, 7, nothing), otherwise(must_not_happen));
  EXPECT_EQ(ch.recv(), 7);
}

TEST(SelectBasics, ready_receive_beats_otherwise) {
  const Chan<int> ch(1);
  ch.send(7);
  select(on_recv(ch, [](int v) { EXPECT_EQ(v, 7); }), otherwise(must_not_happen));
  EXPECT_EQ(ch.len(), 0);
}

TEST(SelectBasics, closed_channel_is_ready_without_a_value) {
  const Chan<int> ch;
  ch.close();
  bool taken = false;
  select(on_recv(ch, [&] { taken = true; }));
  EXPECT_TRUE(taken);
}

TEST(SelectBasics, closed_channel_yields_the_default_value) {
  const Chan<int> ch;
  ch.close();
  int got = 5;
  select(on_recv(ch, [&](int v) { got = v; }));
  EXPECT_EQ(got, 0);
}

TEST(SelectBasics, closed_channel_tells_a_case_that_asks) {
  const Chan<int> ch;
  ch.close();
  bool ended = false;
  select(on_recv(ch, [&](std::optional<int> v) { ended = !v.has_value(); }));
  EXPECT_TRUE(ended);
}

TEST(SelectBasics, send_and_receive_on_one_channel_do_not_meet_in_one_select) {
  const Chan<int> ch;
  std::optional<int> got;
  expect_waits(
      [=] {
        select(on_send(ch, 1, nothing), on_recv(ch, must_not_happen));
      },
      [&] { got = ch.recv(); });
  EXPECT_EQ(got, 1);
}

// ---- select2, select4 ----------------------------------------------------------------------------

TEST(Select, the_ready_case_receives_and_the_others_do_nothing) {
  const Chan<int> ready(1), idle;
  ready.send(42);
  int got = 0;
  select(on_recv(idle, [](int) { FAIL() << "nobody sends here"; }),
         on_recv(ready, [&](int v) { got = v; }));
  EXPECT_EQ(got, 42);
}

// ---- select5: every form, among every mixture of cases that are not ready --------------------------

// Calls f(send, receive) with each of nil and a channel nobody else uses, in all combinations.
template <class F>
void with_idle_channels(F f) {
  const Chan<int> idle;
  for (const Chan<int>& to : {kNil, idle}) {
    for (const Chan<int>& from : {kNil, Chan<int>()}) f(to, from);
  }
}

TEST(SelectForms, receive_as_the_only_case_gets_the_value) {
  const Chan<int> ch(1);
  for (int n = 1; n < 5; ++n) {
    ch.send(n);
    std::optional<int> got;
    select(on_recv(ch, [&](std::optional<int> v) { got = v; }));
    EXPECT_EQ(got, n);
  }
}

TEST(SelectForms, receive_with_otherwise_before_or_behind_gets_the_value) {
  const Chan<int> ch(1);
  int got = 0;
  const auto take = [&](int v) { got = v; };
  ch.send(1);
  select(otherwise(must_not_happen), on_recv(ch, take));
  EXPECT_EQ(got, 1);
  ch.send(2);
  select(on_recv(ch, take), otherwise(must_not_happen));
  EXPECT_EQ(got, 2);
}

TEST(SelectForms, receive_among_cases_that_are_not_ready_gets_the_value) {
  const Chan<int> ch(1);
  with_idle_channels([&](const Chan<int>& to, const Chan<int>& from) {
    int got = 0;
    const auto take = [&](int v) { got = v; };
    ch.send(1);
    select(on_recv(ch, take), on_send(to, 9, must_not_happen), on_recv(from, must_not_happen));
    EXPECT_EQ(got, 1);
    ch.send(2);
    select(on_send(to, 9, must_not_happen), on_recv(from, must_not_happen), on_recv(ch, take),
           otherwise(must_not_happen));
    EXPECT_EQ(got, 2);
  });
}

TEST(SelectForms, send_as_the_only_case_sends_the_value) {
  const Chan<int> ch(1);
  for (int n = 1; n < 5; ++n) {
    select(on_send(ch, n, nothing));
    EXPECT_EQ(ch.recv(), n);
  }
}

TEST(SelectForms, send_with_otherwise_before_or_behind_sends_the_value) {
  const Chan<int> ch(1);
  select(otherwise(must_not_happen), on_send(ch, 1, nothing));
  EXPECT_EQ(ch.recv(), 1);
  select(on_send(ch, 2, nothing), otherwise(must_not_happen));
  EXPECT_EQ(ch.recv(), 2);
}

TEST(SelectForms, send_among_cases_that_are_not_ready_sends_the_value) {
  const Chan<int> ch(1);
  with_idle_channels([&](const Chan<int>& to, const Chan<int>& from) {
    select(on_send(ch, 1, nothing), on_send(to, 9, must_not_happen), on_recv(from, must_not_happen));
    EXPECT_EQ(ch.recv(), 1);
    select(on_send(to, 9, must_not_happen), on_recv(from, must_not_happen),
           on_send(ch, 2, nothing), otherwise(must_not_happen));
    EXPECT_EQ(ch.recv(), 2);
  });
}

TEST(SelectForms, nothing_ready_takes_otherwise_and_touches_no_value) {
  with_idle_channels([&](const Chan<int>& to, const Chan<int>& from) {
    int x = 5, taken = 0;
    select(on_send(to, 1, must_not_happen), on_recv(from, [&](int v) { x = v; }),
           otherwise([&] { ++taken; }));
    select(otherwise([&] { ++taken; }), on_recv(from, [&](int v) { x = v; }));
    select(otherwise([&] { ++taken; }), on_send(to, 1, must_not_happen));
    EXPECT_EQ(x, 5);
    EXPECT_EQ(taken, 3);
  });
}

TEST(SelectForms, values_of_an_unboxed_and_a_boxed_kind_arrive_alike) {
  struct Boxed {
    explicit Boxed(int v) : value(v) {}
    Boxed(Boxed&& other) noexcept : value(other.value) {}
    int value;
  };
  const Chan<std::string> text(1);
  const Chan<Boxed> boxed(1);
  select(on_send(text, std::string("x"), nothing), otherwise(must_not_happen));
  select(on_send(boxed, Boxed(3), nothing), otherwise(must_not_happen));
  select(on_recv(text, [](std::optional<std::string> v) { EXPECT_EQ(v, "x"); }),
         otherwise(must_not_happen));
  select(on_recv(boxed, [](std::optional<Boxed> v) { EXPECT_EQ(v->value, 3); }),
         otherwise(must_not_happen));
}

// ---- select6 -----------------------------------------------------------------------------------

// The select waits behind another receiver of c1 and leaves that queue by its other case. Both who
// wait on c1 after that must still be found.
TEST(Select, leaving_the_end_of_a_queue_loses_nobody_behind_or_before) {
  const Chan<bool> c1, c2, c3;
  WaitGroup received(2);
  go([=]() mutable {
    c1.recv();
    received.done();
  });
  settle();
  go([=]() mutable {
    select(on_recv(c1, must_not_happen), on_recv(c2, [&] { c3.send(true); }));
    c1.recv();
    received.done();
  });
  settle();
  go([=] { c2.send(true); });
  c3.recv();
  c1.send(true);
  c1.send(true);
  received.wait();
}

// ---- select7: a value that nobody looks at ---------------------------------------------------------

void plain_recv(const Chan<int>& c) { c.recv(); }
void select_recv(const Chan<int>& c) { select(on_recv(c, nothing)); }
void select_recv_of_two(const Chan<int>& c) {
  select(on_recv(c, nothing), on_recv(Chan<int>(), must_not_happen));
}

// Every form of send reaches a receiver of that form that waits.
void send_to(void (*receive)(const Chan<int>&)) {
  const auto with_receiver = [=](auto send) {
    const Chan<int> c;
    WaitGroup through(1);
    go([=]() mutable {
      receive(c);
      through.done();
    });
    yield();
    send(c);
    through.wait();
  };
  with_receiver([](const Chan<int>& c) { c.send(1); });
  with_receiver([](const Chan<int>& c) { select(on_send(c, 1, nothing)); });
  with_receiver([](const Chan<int>& c) {
    select(on_send(c, 1, nothing), on_send(Chan<int>(), 1, must_not_happen));
  });
}

TEST(SelectDiscard, every_send_reaches_a_plain_receive_that_drops_the_value) {
  send_to(plain_recv);
}
TEST(SelectDiscard, every_send_reaches_a_select_of_one_that_drops_the_value) {
  send_to(select_recv);
}
TEST(SelectDiscard, every_send_reaches_a_select_of_two_that_drops_the_value) {
  send_to(select_recv_of_two);
}

// ---- select8 -----------------------------------------------------------------------------------

TEST(Select, a_case_may_return_early_whatever_the_number_of_cases) {
  const Chan<int> ch;
  const Chan<Unit> stop;
  go([=] {
    for (bool more = true; more;) {
      select(on_send(ch, 5, nothing), on_recv(stop, [&] { more = false; }));
    }
  });
  int reached = 0;
  const auto leave = [&](int v) {
    ++reached;
    if (v == 5) return;
    ADD_FAILURE() << "not left";
  };
  select(on_recv(ch, leave));
  select(otherwise([&] {
    ++reached;
    return;
  }));
  select(on_recv(ch, leave), otherwise([&] { ++reached; }));
  select(on_recv(ch, leave), on_recv(stop, must_not_happen), otherwise([&] { ++reached; }));
  EXPECT_EQ(reached, 4);
  stop.close();
}

}  // namespace
}  // namespace reprise
