// The bridge to C: calls, callbacks on goroutines and on threads of C's, panics that cross, at 1 and 4 Ps.
#include <reprise/cgo.h>

#include <gtest/gtest.h>
#include <pthread.h>
#include <reprise/reprise.h>
#include <reprise/gc.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/sched/sched.h"
#include "tests/support/cgo_c.h"
#include "tests/support/procs.h"
#include "tests/support/schedules.h"

namespace reprise {
namespace {

class Cgo : public testing::TestWithParam<int> {
  const test::Procs procs_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Procs, Cgo, testing::Values(1, 4));

struct Pipe {
  int ends[2];
  Pipe() {
    if (pipe(ends) != 0) std::abort();
  }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
};

// A callback as C sees it.
template <class F>
void back(void* arg) {
  cgo::callback(*static_cast<F*>(arg));
}
template <class F>
void call_back(F f) {
  cgo::call([&] { c_calls(back<F>, &f); });
}

// ---- calls ---------------------------------------------------------------------------------------------

TEST_P(Cgo, a_call_returns_what_c_returns_and_its_errno) {
  errno = 0;
  EXPECT_EQ(cgo::call([] { return c_add(20, 22); }), 42);
  EXPECT_EQ(errno, 20);
  EXPECT_EQ(cgo::call([] { return std::string("moved out"); }), "moved out");
}

TEST_P(Cgo, c_has_more_stack_than_a_goroutine) {
  constexpr size_t kBytes = 4 << 20;
  WaitGroup all;
  all.add(1);
  go([=]() mutable {
    EXPECT_GE(cgo::call([] { return c_deep(kBytes); }), kBytes - 8192);
    all.done();
  });
  all.wait();
}

TEST_P(Cgo, others_go_on_while_c_blocks) {
  Pipe pipe;
  std::atomic<bool> written{false};
  go([&] {
    written = true;
    ASSERT_EQ(write(pipe.ends[1], "x", 1), 1);
  });
  EXPECT_EQ(cgo::call([&] { return c_read_byte(pipe.ends[0]); }), 'x');
  EXPECT_TRUE(written);
}

TEST_P(Cgo, very_many_calls_block_at_the_same_time) {
  constexpr int kCalls = 200;
  Pipe pipe;
  WaitGroup all;
  std::atomic<int> inside{0}, ended{0};
  all.add(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    go([&, all]() mutable {
      ++inside;
      if (cgo::call([&] { return c_read_byte(pipe.ends[0]); }) == 'y') ++ended;
      all.done();
    });
  }
  while (inside != kCalls) yield();
  EXPECT_EQ(ended, 0);
  const std::string bytes(kCalls, 'y');
  ASSERT_EQ(write(pipe.ends[1], bytes.data(), bytes.size()), kCalls);
  all.wait();
  EXPECT_EQ(ended, kCalls);
}

// ---- callbacks on the goroutine that called ------------------------------------------------------------

TEST_P(Cgo, a_callback_runs_on_the_goroutine_that_called_and_may_wait) {
  const Chan<int> there, back_again;
  go([=] {
    for (int v : there) back_again.send(v + 1);
  });
  const auto* const gp = rt::getg();
  int sum = 0;
  call_back([&] {
    EXPECT_EQ(rt::getg(), gp);
    for (int i = 0; i < 100; ++i) {
      there.send(i);
      sum += *back_again.recv();
    }
  });
  there.close();
  EXPECT_EQ(sum, 5050);
}

TEST_P(Cgo, a_callback_keeps_the_thread_that_c_is_on) {
  WaitGroup all;
  std::atomic<int> moved{0};
  for (int g = 0; g < 8; ++g) {
    all.add(1);
    go([&, all]() mutable {
      cgo::call([&] {
        const pthread_t before = pthread_self();
        auto f = [&] {
          for (int i = 0; i < 50; ++i) {
            yield();
            if (pthread_equal(before, pthread_self()) == 0) ++moved;
          }
        };
        c_calls(back<decltype(f)>, &f);
        if (pthread_equal(before, pthread_self()) == 0) ++moved;
      });
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(moved, 0);
}

int nest(int depth) {
  if (depth == 0) return 0;
  int below = 0;
  call_back([&] {
    yield();
    below = nest(depth - 1);
  });
  return below + 1;
}
TEST_P(Cgo, calls_and_callbacks_nest) { EXPECT_EQ(nest(30), 30); }

TEST_P(Cgo, a_callback_without_a_call_is_a_call) {
  int ran = 0;
  auto f = [&] { ++ran; };
  c_calls(back<decltype(f)>, &f);
  EXPECT_EQ(ran, 1);
}

TEST_P(Cgo, a_panic_crosses_c_and_is_recovered_beyond) {
  for (int round = 0; round < 3; ++round) {
    std::string order, text;
    recovering([&] {
      DEFER {
        order += "goroutine ";
        text = recover().text();
      };
      auto f = [&] {
        cgo::callback([&] {
          DEFER { order += "callback "; };
          yield();
          panic("through C");
        });
      };
      auto note = [&] { order += "c "; };
      c_cleanup cleanup{[](void* arg) { (*static_cast<decltype(note)*>(arg))(); }, &note};
      cgo::call([&] { c_calls_with_cleanup([](void* arg) { (*static_cast<decltype(f)*>(arg))(); }, &f, &cleanup); });
      order += "never ";
    });
    EXPECT_EQ(order, "callback c goroutine ");
    EXPECT_EQ(text, "through C");
    yield();
    EXPECT_EQ(cgo::call([] { return c_add(1, 1); }), 2);
  }
}

TEST_P(Cgo, a_panic_recovered_in_the_callback_leaves_c_alone) {
  std::string text;
  call_back([&] {
    recovering([&] {
      DEFER { text = recover().text(); };
      panic("inside");
    });
  });
  EXPECT_EQ(text, "inside");
}

TEST_P(Cgo, goexit_in_a_callback_ends_the_goroutine) {
  WaitGroup all;
  all.add(1);
  std::atomic<bool> after{false};
  go([&, all]() mutable {
    DEFER { all.done(); };
    call_back([] { goexit(); });
    after = true;
  });
  all.wait();
  EXPECT_FALSE(after);
}

// ---- threads of C's ------------------------------------------------------------------------------------

struct Pool {
  Chan<int> values{4};
  std::atomic<int> moved{0};
};
void pool_calls(void* arg, int number, int round) {
  auto* const pool = static_cast<Pool*>(arg);
  const pthread_t before = pthread_self();
  cgo::callback([&] {
    pool->values.send(number * 100 + round);
    yield();
    if (pthread_equal(before, pthread_self()) == 0) ++pool->moved;
  });
}

TEST_P(Cgo, threads_of_c_call_back_each_on_itself) {
  Pool pool;
  c_pool* const threads = c_pool_start(8, 100, pool_calls, &pool);
  long sum = 0;
  for (int i = 0; i < 800; ++i) sum += *pool.values.recv();
  cgo::call([&] { c_pool_join(threads); });
  EXPECT_EQ(sum, 100L * 100 * 28 + 8L * 4950);
  EXPECT_EQ(pool.moved, 0);
  EXPECT_EQ(rt::foreign_ms_for_test(), 0u);
  while (num_goroutine() != 1) yield();
}

size_t count_ms() {
  size_t count = 0;
  for (rt::M* mp = rt::sched.allms.load(); mp != nullptr; mp = mp->alllink) ++count;
  return count;
}

void thousand_threads() {
  std::atomic<int> came{0};
  for (int batch = 0; batch < 20; ++batch) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 50; ++i) {
      threads.emplace_back([&] {
        for (int again = 0; again < 3; ++again) {
          cgo::callback([&] {
            if (again == 1) yield();
            ++came;
          });
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(came, 3000);
}

TEST_P(Cgo, a_thousand_foreign_threads_come_and_go_and_nothing_is_left) {
  thousand_threads();
  EXPECT_EQ(rt::foreign_ms_for_test(), 0u);
  const size_t ms = count_ms();
  thousand_threads();
  EXPECT_EQ(rt::foreign_ms_for_test(), 0u);
  // Ms are used again: at most as many more as could be in use at once, and were not before.
  EXPECT_LE(count_ms(), ms + 50);
  while (num_goroutine() != 1) yield();
}

TEST_P(Cgo, a_thread_keeps_its_m_until_it_ends) {
  size_t during = 0;
  std::thread thread([&] {
    for (int i = 0; i < 100; ++i) cgo::callback([] { yield(); });
    during = rt::foreign_ms_for_test();
  });
  thread.join();
  EXPECT_EQ(during, 1u);
  EXPECT_EQ(rt::foreign_ms_for_test(), 0u);
}

TEST_P(Cgo, a_callback_leaves_a_foreign_threads_errno_and_exceptions_alone) {
  std::thread thread([&] {
    try {
      throw 5;
    } catch (int) {
      errno = 77;
      cgo::callback([] {
        try {
          throw std::string("other");
        } catch (const std::string&) {
          errno = 3;
          yield();
        }
      });
      EXPECT_EQ(errno, 77);
      try {
        throw;
      } catch (int i) {
        EXPECT_EQ(i, 5);
      }
    }
  });
  thread.join();
}

TEST_P(Cgo, a_foreign_threads_callback_may_recover_and_may_call_c_again) {
  std::string text;
  int sum = 0;
  std::thread thread([&] {
    cgo::callback([&] {
      recovering([&] {
        DEFER { text = recover().text(); };
        panic("on a foreign thread");
      });
      call_back([&] { sum = cgo::call([] { return c_add(3, 4); }); });
    });
  });
  thread.join();
  EXPECT_EQ(text, "on a foreign thread");
  EXPECT_EQ(sum, 7);
}

// ---- under policies, and with the collector --------------------------------------------------------------

struct Node {
  int64_t value = 0;
  int64_t others[6] = {};
};

// The goroutine waits for a lock in C, natively on its thread, under a policy parked on C's stack; what it
// holds is on its own.
void collect_while_in_c() {
  std::mutex lock;
  WaitGroup all;
  std::atomic<bool> inside{false};
  lock.lock();
  all.add(1);
  go([&, all]() mutable {
    Node* const node = gc::make<Node>().get();
    node->value = 77;
    cgo::call([&] {
      inside = true;
      lock.lock();
      lock.unlock();
    });
    EXPECT_EQ(node->value, 77);
    int seen = 0;
    call_back([&] {
      gc::collect();
      seen = static_cast<int>(node->value);
    });
    EXPECT_EQ(seen, 77);
    all.done();
  });
  while (!inside) yield();
  yield();
  gc::collect();
  for (int i = 0; i < 500; ++i) gc::make<Node>()->value = -1;
  lock.unlock();
  all.wait();
}
TEST(CgoCollector, what_a_goroutine_in_c_holds_is_kept) { test::under_schedules(20, collect_while_in_c); }

TEST(CgoPolicies, calls_and_callbacks_hold_under_every_schedule) {
  test::under_schedules(20, [] {
    WaitGroup all(3);
    int sum = 0;
    Mutex mutex;
    for (int g = 0; g < 3; ++g) {
      go([&, all]() mutable {
        for (int i = 0; i < 3; ++i) {
          call_back([&] {
            const std::lock_guard hold(mutex);
            const int before = sum;
            yield();
            sum = before + nest(2);
          });
        }
        all.done();
      });
    }
    all.wait();
    EXPECT_EQ(sum, 18);
  });
}

}  // namespace
}  // namespace reprise
