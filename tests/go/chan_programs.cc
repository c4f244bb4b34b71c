// Go's test/chan without its select programs: doubleselect, fifo, goroutines, nonblock, sendstmt,
// sieve1, sieve2, zerosize.
#include <any>
#include <array>
#include <queue>
#include <string>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;
using test::nothing;
using test::rounds;

// ---- doubleselect ------------------------------------------------------------------------------

void send_each_somewhere(const std::array<Chan<int>, 4>& to, int n) {
  for (int i = 0; i < n; ++i) {
    select(on_send(to[0], i, nothing), on_send(to[1], i, nothing), on_send(to[2], i, nothing),
           on_send(to[3], i, nothing));
  }
  for (const Chan<int>& ch : to) ch.close();
}

TEST(DoubleSelect, a_value_leaves_by_one_case_only) {
  const int n = rounds(20'000, 1000);
  const std::array<Chan<int>, 4> branches;
  const Chan<int> merged;
  WaitGroup forwarders(4);
  go([=] { send_each_somewhere(branches, n); });
  for (const Chan<int>& branch : branches) {
    go([=]() mutable {
      for (int v : branch) merged.send(v);
      forwarders.done();
    });
  }
  go([=]() mutable {
    forwarders.wait();
    merged.close();
  });
  std::vector<int> seen(n);
  for (int v : merged) ++seen[v];
  EXPECT_EQ(seen, std::vector<int>(n, 1));
}

// ---- fifo --------------------------------------------------------------------------------------

TEST(Fifo, a_buffer_keeps_the_order) {
  const Chan<int> ch(10);
  for (int i = 0; i < 10; ++i) ch.send(i);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ch.recv(), i);
}

// Receivers line up in a known order, because each starts only when the one before has received.
TEST(Fifo, unbuffered_values_arrive_in_the_order_of_sending) {
  const Chan<int> ch;
  const Chan<Unit> first;
  Chan<Unit> turn = first;
  std::vector<int> got(10, -1);
  for (int i = 0; i < 10; ++i) {
    const Chan<Unit> next;
    go([=, &got] {
      turn.recv();
      got[i] = *ch.recv();
      next.send({});
    });
    turn = next;
  }
  first.send({});
  for (int i = 0; i < 10; ++i) ch.send(i);
  turn.recv();
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

// ---- goroutines --------------------------------------------------------------------------------

TEST(Goroutines, a_long_chain_hands_one_value_from_end_to_end) {
  const int n = rounds(10'000, 1000);
  const Chan<int> leftmost;
  Chan<int> left = leftmost;
  for (int i = 0; i < n; ++i) {
    const Chan<int> right;
    go([=] { left.send(*right.recv() + 1); });
    left = right;
  }
  go([=] { left.send(1); });
  EXPECT_EQ(leftmost.recv(), n + 1);
}

// ---- nonblock ----------------------------------------------------------------------------------

template <class T, class Equal = std::equal_to<T>>
void check_operations_that_do_not_wait(const T& sent, const T& answered, Equal equal = {}) {
  for (int capacity : {0, 1}) {
    const Chan<T> ch(capacity);
    const Chan<Unit> strobe;
    EXPECT_FALSE(ch.try_recv().has_value());

    go([=] {
      EXPECT_TRUE(equal(*ch.recv(), sent));
      strobe.send({});
    });
    test::until([&] { return ch.try_send(sent); });
    strobe.recv();

    go([=] {
      ch.send(answered);
      strobe.send({});
    });
    if (capacity > 0) strobe.recv();
    std::optional<T> got;
    test::until([&] {
      if (std::optional<T> v = ch.try_recv()) got.emplace(std::move(*v));
      return got.has_value();
    });
    EXPECT_TRUE(equal(*got, answered));
    if (capacity == 0) strobe.recv();
  }
}

TEST(Nonblock, thirty_two_bits_pass_by_operations_that_do_not_wait) {
  check_operations_that_do_not_wait<int32_t>(123, 234);
}
TEST(Nonblock, sixty_four_bits_pass_by_operations_that_do_not_wait) {
  check_operations_that_do_not_wait<int64_t>(123456, 234567);
}
TEST(Nonblock, a_bool_passes_by_operations_that_do_not_wait) {
  check_operations_that_do_not_wait<bool>(true, true);
}
TEST(Nonblock, a_string_passes_by_operations_that_do_not_wait) {
  check_operations_that_do_not_wait<std::string>("hello", "hello again, longer than fits inside");
}
TEST(Nonblock, a_boxed_element_passes_by_operations_that_do_not_wait) {
  check_operations_that_do_not_wait<std::any>(
      std::any(1), std::any(2),
      [](const std::any& a, const std::any& b) {
        return std::any_cast<int>(a) == std::any_cast<int>(b);
      });
}

// ---- sendstmt ----------------------------------------------------------------------------------

TEST(SendStatement, the_channel_of_a_case_may_itself_be_received) {
  const Chan<Chan<int>> channels(1);
  const Chan<int> ch(1);
  channels.send(ch);
  select(on_send(*channels.recv(), 2, nothing), otherwise(test::must_not_happen));
  EXPECT_EQ(ch.recv(), 2);
}

// ---- sieve1, sieve2 ----------------------------------------------------------------------------

const std::vector<int> kPrimes = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                  43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};

// Producers go on for ever, or until `stop` closes.
struct Pipes {
  Chan<Unit> stop;

  bool send(const Chan<int>& ch, int v) const {
    bool sent = true;
    select(on_send(ch, v, nothing), on_recv(stop, [&] { sent = false; }));
    return sent;
  }
  std::optional<int> recv(const Chan<int>& ch) const {
    std::optional<int> got;
    select(on_recv(ch, [&](std::optional<int> v) { got = v; }), on_recv(stop, nothing));
    return got;
  }
  // from, from + step, …
  Chan<int> count(int from, int step) const {
    const Chan<int> out;
    go([pipes = *this, out, from, step] {
      for (int i = from; pipes.send(out, i); i += step) {
      }
    });
    return out;
  }
  // What comes in and is no multiple of the prime.
  Chan<int> filter(const Chan<int>& in, int prime) const {
    const Chan<int> out;
    go([pipes = *this, in, out, prime] {
      while (std::optional<int> i = pipes.recv(in)) {
        if (*i % prime != 0 && !pipes.send(out, *i)) return;
      }
    });
    return out;
  }
};

TEST(Sieve, a_chain_of_filters_yields_the_primes) {
  const Pipes pipes;
  Chan<int> numbers = pipes.count(2, 1);
  for (int prime : kPrimes) {
    EXPECT_EQ(numbers.recv(), prime);
    numbers = pipes.filter(numbers, prime);
  }
  pipes.stop.close();
}

// The next multiple of some prime that is known, and where the one after it comes from.
struct Multiple {
  int value;
  Chan<int> more;
  bool operator<(const Multiple& other) const { return value > other.value; }  // smallest on top
};

TEST(Sieve, a_heap_of_streams_of_multiples_leaves_the_primes) {
  const Pipes pipes;
  const Chan<int> candidates = pipes.count(3, 2);
  std::priority_queue<Multiple> composites;
  std::vector<int> primes = {2};
  while (primes.size() < kPrimes.size()) {
    const int n = *candidates.recv();
    if (composites.empty() || n < composites.top().value) {
      primes.push_back(n);
      const Chan<int> odd_multiples = pipes.count(n * n, 2 * n);
      composites.push({*odd_multiples.recv(), odd_multiples});
    }
    while (composites.top().value == n) {
      const Chan<int> more = composites.top().more;
      composites.pop();
      composites.push({*more.recv(), more});
    }
  }
  EXPECT_EQ(primes, kPrimes);
  pipes.stop.close();
}

// ---- zerosize ----------------------------------------------------------------------------------

template <class T>
void check_channel_of(int64_t capacity) {
  const Chan<T> ch(capacity);
  EXPECT_EQ(ch.cap(), capacity);
  for (int64_t i = 0; i < capacity; ++i) ch.send(T{});
  EXPECT_FALSE(ch.try_send(T{}));
  EXPECT_EQ(ch.len(), capacity);
  ch.close();
  for (int64_t i = 0; i < capacity; ++i) EXPECT_TRUE(ch.recv().has_value());
  EXPECT_FALSE(ch.recv().has_value());
}

TEST(ZeroSize, channels_of_nothing_count_their_elements) {
  for (int64_t capacity : {0, 1, 1000}) check_channel_of<Unit>(capacity);
}

TEST(ZeroSize, channels_of_empty_arrays_count_their_elements) {
  for (int64_t capacity : {0, 1, 1000}) check_channel_of<std::array<char, 0>>(capacity);
}

}  // namespace
}  // namespace reprise
