// Channels: hand-off, order, closing, nil, elements of every kind.
#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/chan/chan.h"
#include "tests/support/schedules.h"

namespace reprise {
namespace {

using test::under_schedules;

TEST(Chan, core_begins_with_len_and_cap) {
  Chan<int> ch(7);
  ch.send(1);
  ch.send(2);
  const auto* words = reinterpret_cast<const uint64_t*>(ch.core());
  EXPECT_EQ(words[0], 2u);
  EXPECT_EQ(words[1], 7u);
}

TEST(Chan, unbuffered_send_and_receive_meet) {
  under_schedules(50, [] {
    Chan<int> ch;
    std::atomic<int> sent = 0;
    go([&] {
      for (int i = 0; i < 3; ++i) {
        ch.send(i);
        sent = i + 1;
      }
    });
    for (int i = 0; i < 3; ++i) {
      ASSERT_LE(sent, i);  // the sender is never ahead of the receiver
      ASSERT_EQ(ch.recv(), i);
    }
    test::expect_alone();  // the sender still counts its last
  });
}

TEST(Chan, buffered_send_waits_only_when_full) {
  under_schedules(50, [] {
    Chan<int> ch(2);
    std::atomic<int> sent = 0;
    go([&] {
      for (int i = 0; i < 5; ++i) {
        ch.send(i);
        ++sent;
      }
      ch.close();
    });
    int received = 0;
    for (int v : ch) {
      ASSERT_EQ(v, received);
      ASSERT_LE(sent, received + 3 + 1);  // two buffered, one in our hand, one handed over
      ++received;
    }
    ASSERT_EQ(received, 5);
  });
}

TEST(Chan, senders_that_wait_are_served_in_order_of_arrival) {
  const test::InOrder in_order;
  Chan<int> ch;
  for (int i = 0; i < 10; ++i) go([=] { ch.send(i); });
  yield();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ch.recv(), i);
  test::expect_alone();
}

TEST(Chan, receivers_that_wait_are_served_in_order_of_arrival) {
  const test::InOrder in_order;
  Chan<int> ch;
  std::vector<int> got(10, -1);
  for (int i = 0; i < 10; ++i) go([&, i] { got[static_cast<size_t>(i)] = *ch.recv(); });
  yield();
  for (int i = 0; i < 10; ++i) ch.send(i);
  test::expect_alone();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(got[static_cast<size_t>(i)], i);
}

TEST(Chan, sender_that_waits_on_a_full_buffer_keeps_the_order) {
  under_schedules(50, [] {
    Chan<int> ch(1);
    go([=] {
      for (int i = 0; i < 6; ++i) ch.send(i);
      ch.close();
    });
    for (int i = 0; i < 6; ++i) ASSERT_EQ(ch.recv(), i);
    ASSERT_EQ(ch.recv(), std::nullopt);
  });
}

TEST(Chan, who_was_served_does_not_look_at_the_channel_again) {
  under_schedules(30, [] {
    auto ch = std::make_unique<Chan<std::string>>();
    go([c = ch->core()] {
      std::string text("a string too long for the small buffer");
      alignas(std::string) unsigned char slot[sizeof(std::string)];
      new (slot) std::string(text);
      rt::chansend(c, slot, true);
    });
    yield();
    const std::string got = *ch->recv();
    ch.reset();
    ASSERT_EQ(got, "a string too long for the small buffer");
  });
}

// Two goroutines and no handle but this frame's: it goes once the values are here, while the senders may still be on
// their way out of send(). Builds with AddressSanitizer see who looks at a channel that is gone.
TEST(Chan, channels_may_go_as_soon_as_their_values_are_here) {
  under_schedules(30, [] {
    for (int round = 0; round < 20; ++round) {
      Chan<int> met, buffered(1);
      go([&met] { met.send(1); });
      go([&buffered] { buffered.send(2); });
      ASSERT_EQ(*met.recv() + *buffered.recv(), 3);
    }
  });
}

TEST(Chan, close_wakes_every_receiver) {
  under_schedules(50, [] {
    Chan<int> ch;
    std::atomic<int> woken = 0;
    for (int i = 0; i < 5; ++i) {
      go([&, ch] {
        if (!ch.recv()) ++woken;
      });
    }
    yield();
    ch.close();
    test::expect_alone();
    ASSERT_EQ(woken.load(), 5);
  });
}

TEST(Chan, closed_channel_is_drained_then_ends) {
  Chan<int> ch(3);
  ch.send(1);
  ch.send(2);
  ch.close();
  EXPECT_EQ(ch.recv(), 1);
  bool ended = true;
  EXPECT_EQ(ch.try_recv(&ended), 2);
  EXPECT_FALSE(ended);
  EXPECT_EQ(ch.recv(), std::nullopt);
  EXPECT_EQ(ch.try_recv(&ended), std::nullopt);
  EXPECT_TRUE(ended);
  int out = 42;
  EXPECT_FALSE(ch.recv(out));
  EXPECT_EQ(out, 42);
}

TEST(Chan, capacity_zero_is_unbuffered_not_nil) {
  const Chan<int> ch(0);
  EXPECT_TRUE(ch);
  EXPECT_EQ(ch.cap(), 0);
}

TEST(Chan, try_operations_never_wait) {
  Chan<int> unbuffered, buffered(1);
  bool ended = true;
  EXPECT_FALSE(unbuffered.try_send(1));
  EXPECT_EQ(unbuffered.try_recv(&ended), std::nullopt);
  EXPECT_FALSE(ended);
  EXPECT_TRUE(buffered.try_send(1));
  EXPECT_FALSE(buffered.try_send(2));
  EXPECT_EQ(buffered.len(), 1);
  EXPECT_EQ(buffered.try_recv(), 1);
  EXPECT_EQ(buffered.try_recv(), std::nullopt);
}

TEST(Chan, try_send_reaches_a_receiver_that_waits) {
  Chan<int> ch;
  int got = 0;
  go([&] { got = *ch.recv(); });
  while (!ch.try_send(5)) yield();  // it may still be on its way, on another P
  test::expect_alone();
  EXPECT_EQ(got, 5);
}

TEST(Chan, nil_channel_is_never_ready) {
  const Chan<int> nil(nullptr);
  EXPECT_FALSE(nil);
  EXPECT_FALSE(nil.try_send(1));
  EXPECT_EQ(nil.try_recv(), std::nullopt);
  EXPECT_EQ(nil.len(), 0);
  EXPECT_EQ(nil.cap(), 0);
}

TEST(Chan, elements_without_state_take_no_room) {
  under_schedules(20, [] {
    Chan<Unit> ch(1000);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(ch.try_send({}));
    ASSERT_FALSE(ch.try_send({}));
    ASSERT_EQ(ch.len(), 1000);
    Chan<Unit> done;
    go([=] { done.send({}); });
    ASSERT_TRUE(done.recv());
  });
}

TEST(Chan, move_only_elements_pass_through_every_path) {
  under_schedules(30, [] {
    for (int capacity : {0, 1, 4}) {
      Chan<std::unique_ptr<int>> ch(capacity);
      go([=] {
        for (int i = 0; i < 10; ++i) ch.send(std::make_unique<int>(i));
        ch.close();
      });
      int expected = 0;
      for (std::unique_ptr<int> v : ch) ASSERT_EQ(*v, expected++);
      ASSERT_EQ(expected, 10);
    }
  });
}

TEST(Chan, strings_survive_relocation_inside_and_outside_their_small_buffer) {
  under_schedules(30, [] {
    Chan<std::string> ch(2);
    go([=] {
      for (int i = 0; i < 20; ++i) ch.send(std::string(static_cast<size_t>(i * 3), 'x'));
      ch.close();
    });
    size_t i = 0;
    for (std::string s : ch) ASSERT_EQ(s, std::string(3 * i++, 'x'));
    ASSERT_EQ(i, 20u);
  });
}

// Counts how many are alive, and throws from its move constructor on demand.
struct Fragile {
  static inline int alive = 0;
  static inline int moves_until_throw = -1;

  explicit Fragile(int v) : value(v) { ++alive; }
  Fragile(Fragile&& other) : value(other.value) {
    if (moves_until_throw >= 0 && moves_until_throw-- == 0) throw std::runtime_error("move");
    ++alive;
  }
  ~Fragile() { --alive; }
  int value;
};

TEST(Chan, element_that_throws_while_sent_is_not_sent) {
  {
    Chan<Fragile> ch(1);
    Fragile::moves_until_throw = 0;
    EXPECT_THROW(ch.send(Fragile(1)), std::runtime_error);
    EXPECT_EQ(ch.len(), 0);
    Fragile::moves_until_throw = -1;
    ch.send(Fragile(2));
    EXPECT_EQ(ch.recv()->value, 2);
  }
  EXPECT_EQ(Fragile::alive, 0);
}

TEST(Chan, element_that_throws_while_received_is_lost_but_not_leaked) {
  {
    Chan<Fragile> ch(2);
    ch.send(Fragile(1));
    ch.send(Fragile(2));
    Fragile::moves_until_throw = 0;
    EXPECT_THROW(ch.recv(), std::runtime_error);
    Fragile::moves_until_throw = -1;
    EXPECT_EQ(ch.recv()->value, 2);
  }
  EXPECT_EQ(Fragile::alive, 0);
}

TEST(Chan, elements_never_received_are_destroyed_with_the_channel) {
  auto witness = std::make_shared<int>(1);
  {
    Chan<std::shared_ptr<int>> ch(4);
    ch.send(witness);
    ch.send(witness);
    ch.recv();
    ch.send(witness);
    EXPECT_EQ(witness.use_count(), 3);
    Chan<std::shared_ptr<int>> other = ch;
  }
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Chan, value_that_could_not_be_sent_is_destroyed) {
  auto witness = std::make_shared<int>(1);
  Chan<std::shared_ptr<int>> ch;
  EXPECT_FALSE(ch.try_send(witness));
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Chan, channels_travel_through_channels) {
  under_schedules(30, [] {
    Chan<Chan<int>> requests;
    go([=] {
      for (Chan<int> reply : requests) reply.send(42);
    });
    for (int i = 0; i < 3; ++i) {
      Chan<int> reply;
      requests.send(reply);
      ASSERT_EQ(reply.recv(), 42);
    }
    requests.close();
  });
}

// Passed by value with an alignment that GCC 4.6 passed otherwise: the compiler says so.
#pragma GCC diagnostic ignored "-Wpsabi"
struct alignas(32) Wide {
  char bytes[200];
};

TEST(Chan, overaligned_elements_are_aligned_in_the_buffer) {
  Chan<Wide> ch(3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(ch.core()->buf) % alignof(Wide), 0u);
  Wide w;
  w.bytes[199] = 'z';
  ch.send(w);
  EXPECT_EQ(ch.recv()->bytes[199], 'z');
}

TEST(Chan, one_goroutine_a_prime_sieves_the_first_hundred) {
  under_schedules(3, [] {
    Chan<int> numbers;
    go([=] {
      for (int i = 2; i < 560; ++i) numbers.send(i);
      numbers.close();
    });
    std::vector<int> primes;
    Chan<int> in = numbers;
    for (;;) {
      const std::optional<int> prime = in.recv();
      if (!prime) break;
      primes.push_back(*prime);
      Chan<int> out;
      go([in, out, p = *prime] {
        for (int i : in) {
          if (i % p != 0) out.send(i);
        }
        out.close();
      });
      in = out;
    }
    ASSERT_EQ(primes.size(), 102u);
    ASSERT_EQ(primes[99], 541);
  });
}

TEST(Chan, many_producers_and_consumers_lose_and_invent_nothing) {
  under_schedules(20, [] {
    Chan<int> ch(3);
    WaitGroup producers(4), consumers(3);
    std::vector<int> seen(400);
    for (int p = 0; p < 4; ++p) {
      go([=]() mutable {
        for (int i = 0; i < 100; ++i) ch.send(p * 100 + i);
        producers.done();
      });
    }
    for (int c = 0; c < 3; ++c) {
      go([=, &seen]() mutable {
        for (int v : ch) ++seen[static_cast<size_t>(v)];
        consumers.done();
      });
    }
    producers.wait();
    ch.close();
    consumers.wait();
    for (int n : seen) ASSERT_EQ(n, 1);
  });
}

// ---- panics and deadlocks: the process ends with status 2 -----------------------------------------

using ChanDeathTest = testing::Test;
const testing::ExitedWithCode kPanicked(2);

TEST(ChanDeathTest, send_on_closed_channel_panics) {
  Chan<int> ch(1);
  ch.close();
  EXPECT_EXIT(ch.send(1), kPanicked, "panic: send on closed channel");
  EXPECT_EXIT(ch.try_send(1), kPanicked, "panic: send on closed channel");
}

TEST(ChanDeathTest, close_under_a_sender_that_waits_makes_it_panic) {
  EXPECT_EXIT(
      {
        const test::InOrder in_order;
        Chan<int> ch;
        go([=] { ch.send(1); });
        yield();
        ch.close();
        yield();
      },
      kPanicked, "panic: send on closed channel");
}

TEST(ChanDeathTest, who_waits_on_a_channel_without_handles_is_left_alone) {
  const auto leave_one_waiting = [] {
    const test::InOrder in_order;
    int received = 0;
    {
      Chan<int> ch;
      go([&received, c = ch.core()] {
        rt::chanrecv(c, &received, true);
        received = 1;
      });
      yield();
    }
    yield();
    std::exit(received);
  };
  EXPECT_EXIT(leave_one_waiting(), testing::ExitedWithCode(0), "");
}

TEST(ChanDeathTest, close_of_closed_or_nil_channel_panics) {
  Chan<int> ch;
  ch.close();
  EXPECT_EXIT(ch.close(), kPanicked, "panic: close of closed channel");
  EXPECT_EXIT(Chan<int>(nullptr).close(), kPanicked, "panic: close of nil channel");
}

TEST(ChanDeathTest, impossible_capacity_panics) {
  EXPECT_EXIT(Chan<int>(-1), kPanicked, "panic: makechan: size out of range");
  EXPECT_EXIT(Chan<Wide>(INT64_MAX / 2), kPanicked, "panic: makechan: size out of range");
}

TEST(ChanDeathTest, waiting_for_nobody_is_a_deadlock) {
  EXPECT_EXIT(Chan<int>().recv(), kPanicked, "all goroutines are asleep - deadlock!");
  EXPECT_EXIT(Chan<int>().send(1), kPanicked, "chan send");
  EXPECT_EXIT(Chan<int>(nullptr).recv(), kPanicked, "chan receive \\(nil chan\\)");
  EXPECT_EXIT(Chan<int>(nullptr).send(1), kPanicked, "chan send \\(nil chan\\)");
}

}  // namespace
}  // namespace reprise
