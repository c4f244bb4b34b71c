// Go's runtime/chan_test.go: channels and select as the runtime has them.
#include <any>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::controlled;
using test::must_not_happen;
using test::nothing;
using test::rounds;
using test::settle;
using test::until;

// ---- TestChan ------------------------------------------------------------------------------------

template <class F>
void for_capacities(F f) {
  for (int64_t capacity = 0; capacity < rounds(20, 4); ++capacity) {
    f(capacity);
    // Not SCOPED_TRACE: that is the thread's, and goroutines change theirs.
    if (testing::Test::HasFailure()) FAIL() << "with a capacity of " << capacity;
  }
}

void fill(const Chan<int>& ch) {
  for (int i = 0; i < ch.cap(); ++i) ch.send(i);
}

TEST(Chan, receive_from_an_empty_channel_waits) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    std::atomic<int> received{0};
    go([=, &received] {
      ch.recv();
      ++received;
    });
    go([=, &received] {
      int v = 1;
      EXPECT_TRUE(ch.recv(v));
      ++received;
    });
    settle();
    EXPECT_EQ(received, 0);
    ch.send(0);
    ch.send(0);
    until([&] { return received == 2; });
  });
}

TEST(Chan, receive_that_may_not_wait_finds_an_empty_channel_empty) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    bool ended = true;
    EXPECT_FALSE(ch.try_recv(&ended).has_value());
    EXPECT_FALSE(ended);
    select(on_recv(ch, must_not_happen), otherwise(nothing));
  });
}

TEST(Chan, send_to_a_full_channel_waits) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    fill(ch);
    std::atomic<bool> sent{false};
    go([=, &sent] {
      ch.send(0);
      sent = true;
    });
    settle();
    EXPECT_FALSE(sent);
    ch.recv();
    until([&] { return sent.load(); });
  });
}

TEST(Chan, send_that_may_not_wait_finds_a_full_channel_full) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    fill(ch);
    EXPECT_FALSE(ch.try_send(0));
    select(on_send(ch, 0, must_not_happen), otherwise(nothing));
  });
}

TEST(Chan, closed_channel_yields_what_it_holds_in_order_then_nothing) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    fill(ch);
    ch.close();
    for (int i = 0; i < capacity; ++i) EXPECT_EQ(ch.recv(), i);
    EXPECT_FALSE(ch.recv().has_value());
    bool ended = false;
    EXPECT_FALSE(ch.try_recv(&ended).has_value());
    EXPECT_TRUE(ended);
  });
}

TEST(Chan, close_wakes_a_receiver_that_waits) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    const Chan<bool> got_nothing;
    go([=] { got_nothing.send(!ch.recv().has_value()); });
    settle();
    ch.close();
    EXPECT_EQ(got_nothing.recv(), true);
  });
}

TEST(Chan, a_hundred_values_arrive_in_order) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    const int n = rounds(100, 100);
    go([=] {
      for (int i = 0; i < n; ++i) ch.send(i);
    });
    for (int i = 0; i < n; ++i) EXPECT_EQ(ch.recv(), i);
  });
}

TEST(Chan, a_hundred_values_arrive_in_order_where_the_end_is_asked_for_too) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    const int n = rounds(100, 100);
    go([=] {
      for (int i = 0; i < n; ++i) ch.send(i);
    });
    for (int i = 0; i < n; ++i) {
      int v = -1;
      EXPECT_TRUE(ch.recv(v));
      EXPECT_EQ(v, i);
    }
  });
}

TEST(Chan, four_senders_and_four_receivers_lose_and_invent_nothing) {
  static constexpr int kEach = 4;
  for_capacities([](int64_t capacity) {
    const int n = rounds(1000, 75);
    const Chan<int> ch(capacity);
    const Chan<std::map<int, int>> counts;
    for (int p = 0; p < kEach; ++p) {
      go([=] {
        for (int i = 0; i < n; ++i) ch.send(i);
      });
      go([=] {
        std::map<int, int> count;
        for (int i = 0; i < n; ++i) ++count[*ch.recv()];
        counts.send(std::move(count));
      });
    }
    std::map<int, int> total;
    for (int p = 0; p < kEach; ++p) {
      const std::map<int, int> count = *counts.recv();
      for (const auto& [value, times] : count) total[value] += times;
    }
    EXPECT_EQ(total.size(), static_cast<size_t>(n));
    for (const auto& [value, times] : total) EXPECT_EQ(times, kEach) << value;
  });
}

TEST(Chan, len_is_what_it_holds_and_cap_what_it_can_hold) {
  for_capacities([](int64_t capacity) {
    const Chan<int> ch(capacity);
    EXPECT_EQ(ch.len(), 0);
    EXPECT_EQ(ch.cap(), capacity);
    fill(ch);
    EXPECT_EQ(ch.len(), capacity);
    EXPECT_EQ(ch.cap(), capacity);
  });
}

TEST(Chan, len_and_cap_of_nil_are_zero) {
  const Chan<int> nil(nullptr);
  EXPECT_EQ(nil.len(), 0);
  EXPECT_EQ(nil.cap(), 0);
}

// ---- TestNonblockRecvRace, TestNonblockSelectRace, TestNonblockSelectRace2 -------------------------

TEST(ChanRace, channel_that_holds_a_value_or_is_closed_is_never_found_empty) {
  for (int i = 0; i < rounds(10'000, 150); ++i) {
    const Chan<int> ch(1);
    WaitGroup looked(1);
    ch.send(1);
    go([=]() mutable {
      select(on_recv(ch, nothing), otherwise(must_not_happen));
      looked.done();
    });
    ch.close();
    ch.recv();
    looked.wait();
  }
}

// One of two channels is ready at any moment, first c1, then c2 too, then perhaps only c2. A select
// that looked at them one after the other could find neither.
template <class MakeReady>
void expect_some_channel_ready(int64_t capacity_of_second, MakeReady make_ready) {
  for (int i = 0; i < rounds(20'000, 250); ++i) {
    const Chan<int> c1(1), c2(capacity_of_second);
    const Chan<bool> found(1);
    c1.send(1);
    go([=] {
      select(on_recv(c1, [&] { found.send(true); }), on_recv(c2, [&] { found.send(true); }),
             otherwise([&] { found.send(false); }));
    });
    make_ready(c2);
    select(on_recv(c1, nothing), otherwise(nothing));
    ASSERT_EQ(found.recv(), true) << "no channel was ready in round " << i;
  }
}

TEST(ChanRace, select_sees_one_instant_while_a_value_moves) {
  expect_some_channel_ready(1, [](const Chan<int>& c2) { c2.send(1); });
}

TEST(ChanRace, select_sees_one_instant_while_a_channel_closes) {
  expect_some_channel_ready(0, [](const Chan<int>& c2) { c2.close(); });
}

// ---- TestSelfSelect --------------------------------------------------------------------------------

// Two goroutines send and receive on one channel in the same select. Unbuffered, what one receives is
// the other's.
void check_self_select(int64_t capacity) {
  const Chan<int> ch(capacity);
  const int n = rounds(1000, 200);
  WaitGroup done(2);
  for (int p = 0; p < 2; ++p) {
    go([=]() mutable {
      const auto check = [&](int v) {
        EXPECT_TRUE(capacity != 0 || v != p) << "received from itself";
      };
      for (int i = 0; i < n; ++i) {
        if (p == 0 || i % 2 == 0) {
          select(on_send(ch, p, nothing), on_recv(ch, check));
        } else {
          select(on_recv(ch, check), on_send(ch, p, nothing));
        }
      }
      done.done();
    });
  }
  done.wait();
}

TEST(SelfSelect, two_that_send_and_receive_in_one_select_meet_each_other_only) {
  check_self_select(0);
}
TEST(SelfSelect, two_that_send_and_receive_in_one_select_never_stall_over_a_buffer) {
  check_self_select(10);
}

// ---- TestSelectStress ------------------------------------------------------------------------------

// Calls step(open) until each of the channels has passed n values; a channel that has is nil.
template <class Step>
void exhaust(std::array<Chan<int>, 4> open, int n, Step step) {
  std::array<int, 4> passed{};
  for (int i = 0; i < 4 * n; ++i) {
    const int k = step(open);
    if (++passed[k] == n) open[k] = nullptr;
  }
}

TEST(SelectStress, plain_and_selecting_senders_and_receivers_share_four_channels) {
  const int n = rounds(10'000, 200);
  const std::array<Chan<int>, 4> c{Chan<int>(), Chan<int>(), Chan<int>(2), Chan<int>(3)};
  WaitGroup done(10);
  for (const Chan<int>& ch : c) {
    go([=]() mutable {
      for (int i = 0; i < n; ++i) ch.send(0);
      done.done();
    });
    go([=]() mutable {
      for (int i = 0; i < n; ++i) ch.recv();
      done.done();
    });
  }
  go([=]() mutable {
    exhaust(c, n, [](const std::array<Chan<int>, 4>& open) {
      int k = -1;
      select(on_send(open[3], 0, [&] { k = 3; }), on_send(open[2], 0, [&] { k = 2; }),
             on_send(open[0], 0, [&] { k = 0; }), on_send(open[1], 0, [&] { k = 1; }));
      return k;
    });
    done.done();
  });
  go([=]() mutable {
    exhaust(c, n, [](const std::array<Chan<int>, 4>& open) {
      int k = -1;
      select(on_recv(open[0], [&] { k = 0; }), on_recv(open[1], [&] { k = 1; }),
             on_recv(open[2], [&] { k = 2; }), on_recv(open[3], [&] { k = 3; }));
      return k;
    });
    done.done();
  });
  done.wait();
}

// ---- TestSelectFairness, TestPseudoRandomSend --------------------------------------------------------

// A fair choice strays by more than `bound` once in a million runs: six nines of the normal
// approximation, as Go's test has it.
double six_nines(int trials) { return 4.891676 / (2 * std::sqrt(trials)); }

TEST(SelectFairness, ready_channels_are_chosen_evenly) {
  const int trials = rounds(10'000, 2000);
  const Chan<int> c1(trials + 1), c2(trials + 1), c3, c4, out;
  const Chan<Unit> stop;
  WaitGroup done(1);
  for (int i = 0; i <= trials; ++i) c1.send(1), c2.send(2);
  go([=]() mutable {
    int v = 0;
    const auto take = [&](int received) { v = received; };
    for (bool more = true; more;) {
      select(on_recv(c3, take), on_recv(c4, take), on_recv(c1, take), on_recv(c2, take));
      select(on_send(out, v, nothing), on_recv(stop, [&] { more = false; }));
    }
    done.done();
  });
  int ones = 0;
  for (int i = 0; i < trials; ++i) ones += *out.recv() == 1;
  stop.close();
  done.wait();
  const double share = static_cast<double>(ones) / trials;
  EXPECT_LT(std::abs(share - 0.5), six_nines(trials)) << ones << " of " << trials;
}

// A tenth is far from a half: it is missed once in 2^53 runs of a fair choice among 100.
void check_random_send(int64_t capacity) {
  constexpr int kValues = 100;
  const Chan<int> ch(capacity);
  std::vector<int> got(kValues);
  Mutex reading;
  reading.lock();
  go([=, &got, &reading] {
    for (int& v : got) {
      yield();
      v = *ch.recv();
    }
    reading.unlock();
  });
  for (int i = 0; i < kValues; ++i) select(on_send(ch, 1, nothing), on_send(ch, 0, nothing));
  const std::lock_guard read(reading);
  int ones = 0;
  for (int v : got) ones += v;
  EXPECT_GT(ones, kValues / 10);
  EXPECT_LT(ones, kValues - kValues / 10);
}

TEST(PseudoRandomSend, two_sends_on_one_unbuffered_channel_both_happen) { check_random_send(0); }
TEST(PseudoRandomSend, two_sends_on_one_buffered_channel_both_happen) { check_random_send(100); }

// ---- TestChanSendInterface ---------------------------------------------------------------------------

TEST(ChanSendInterface, values_of_any_type_are_sent_and_dropped_alike) {
  struct Mt {};
  const auto m = std::make_shared<Mt>();
  const Chan<std::any> ch(1);
  ch.send(m);
  select(on_send(ch, m, must_not_happen), otherwise(nothing));
  select(on_send(ch, m, must_not_happen), on_send(ch, Mt(), must_not_happen), otherwise(nothing));
  EXPECT_EQ(m.use_count(), 2) << "values that were not sent are gone";
}

// ---- TestMultiConsumer ---------------------------------------------------------------------------------

TEST(MultiConsumer, many_workers_pass_every_job_on_exactly_once) {
  constexpr std::array kJobs = {2, 3, 7, 11, 13, 17, 19, 23, 27, 31};
  const int workers = rounds(23, 5);
  const int n = rounds(100'000, 300);
  const Chan<int> jobs(workers * 3), results(workers * 3);
  WaitGroup working;
  for (int w = 0; w < workers; ++w) {
    working.add(1);
    go([=]() mutable {
      for (int v : jobs) {
        if (kJobs[w % kJobs.size()] == v) yield();  // disturbs the order
        results.send(v);
      }
      working.done();
    });
  }
  go([=]() mutable {
    for (int i = 0; i < n; ++i) jobs.send(kJobs[i % kJobs.size()]);
    jobs.close();
    working.wait();
    results.close();
  });
  int64_t expected = 0, sum = 0;
  for (int i = 0; i < n; ++i) expected += kJobs[i % kJobs.size()];
  int count = 0;
  for (int v : results) ++count, sum += v;
  EXPECT_EQ(count, n);
  EXPECT_EQ(sum, expected);
}

// ---- TestShrinkStackDuringBlockedSend, TestSelectStackAdjust: here stacks stay where they are --------

[[gnu::noinline]] int use_stack(int depth) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? frame[0] : use_stack(depth - 1) + frame[0];
}

TEST(ChanStack, deep_calls_between_sends_that_wait_leave_the_values_alone) {
  constexpr int kValues = 10;
  const Chan<int> ch;
  go([=] {
    for (int i = 0; i < kValues; ++i) {
      ch.send(i);
      use_stack(20);
    }
  });
  for (int i = 0; i < kValues; ++i) {
    EXPECT_EQ(ch.recv(), i);
    settle();  // until the sender waits again
  }
}

TEST(ChanStack, variables_of_a_goroutine_that_waits_in_a_select_stay_in_place) {
  for (const bool twice : {false, true}) {
    const Chan<int*> c, d;
    const Chan<Unit> through;
    go([=] {
      use_stack(20);
      int value = 42;
      int* pointer = &value;
      const Chan<int*> nil(nullptr);
      select(on_recv(c, [&](int* p) { pointer = p; }), on_recv(twice ? c : nil, must_not_happen),
             on_recv(d, nothing), on_recv(twice ? d : nil, nothing));
      EXPECT_EQ(pointer, &value);
      *pointer = 43;
      EXPECT_EQ(value, 43);
      through.send({});
    });
    settle();
    d.close();
    through.recv();
  }
}

// ---- TestSelectDuplicateChannel --------------------------------------------------------------------------

TEST(SelectDuplicate, goroutine_queued_twice_on_a_channel_leaves_others_in_the_queue) {
  const Chan<int> c, d, e;
  const Chan<int> b;
  go([=] {
    select(on_recv(c, must_not_happen), on_recv(c, must_not_happen), on_recv(d, nothing));
    e.send(9);
  });
  settle();
  go([=] { b.send(*c.recv()); });
  settle();
  d.send(7);
  EXPECT_EQ(e.recv(), 9);
  c.send(8);
  EXPECT_EQ(b.recv(), 8);
}

}  // namespace
}  // namespace reprise
