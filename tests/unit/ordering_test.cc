// What happens before what: plain data passed from goroutine to goroutine through each primitive.
//
// Built with ThreadSanitizer, goroutines are taken for unordered unless something orders them, as in
// native mode, and a primitive that publishes too little is reported as a race. Other builds only
// check that the data arrives.
#include <gtest/gtest.h>
#include <reprise/atomic.h>
#include <reprise/context.h>
#include <reprise/go.h>
#include <reprise/select.h>
#include <reprise/semaphore.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "runtime/sched/fibers.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;

class Ordering : public testing::Test {
#ifdef REPRISE_SANITIZED
 protected:
  // A second thread, or std::shared_ptr counts without atomics.
  static void SetUpTestSuite() { std::thread([] {}).join(); }
  Ordering() { rt::fibers_unordered_for_test = true; }
  ~Ordering() override { rt::fibers_unordered_for_test = false; }
#endif
};

TEST_F(Ordering, spawn_happens_before_the_goroutine) {
  int data = 1;
  WaitGroup wg(1);
  go([&]() mutable {
    EXPECT_EQ(data, 1);
    wg.done();
  });
  wg.wait();
}

TEST_F(Ordering, done_happens_before_wait_returns) {
  int data[4] = {};
  WaitGroup wg(4);
  for (int& d : data) {
    go([&d, wg]() mutable {
      d = 1;
      yield();
      ++d;
      wg.done();
    });
  }
  wg.wait();
  for (const int d : data) EXPECT_EQ(d, 2);
}

TEST_F(Ordering, send_happens_before_receive_whoever_waits) {
  for (const bool receiver_waits : {false, true}) {
    Chan<Unit> ch;
    int data = 0;
    go([&] {
      if (receiver_waits) yield();
      data = 1;
      ch.send({});
    });
    if (!receiver_waits) yield();
    ch.recv();
    EXPECT_EQ(data, 1);
  }
}

TEST_F(Ordering, unbuffered_receive_happens_before_send_returns) {
  for (const bool receiver_waits : {false, true}) {
    Chan<Unit> ch, end;
    int data = 0;
    go([&] {
      if (receiver_waits) yield();
      ch.send({});
      EXPECT_EQ(data, 1);
      end.close();
    });
    if (!receiver_waits) yield();
    data = 1;
    ch.recv();
    end.recv();
  }
}

TEST_F(Ordering, kth_receive_happens_before_send_k_plus_capacity_returns) {
  Chan<Unit> tokens(1), end;
  int data = 0;
  go([&] {
    for (int i = 0; i < 10; ++i) {
      tokens.send({});  // a lock: the buffer holds who is inside
      ++data;
      yield();
      tokens.recv();
    }
    end.close();
  });
  for (int i = 0; i < 10; ++i) {
    tokens.send({});
    ++data;
    tokens.recv();
    yield();
  }
  end.recv();
  EXPECT_EQ(data, 20);
}

TEST_F(Ordering, close_happens_before_the_receive_that_sees_it) {
  Chan<Unit> ch;
  int data = 0;
  go([&] {
    data = 1;
    ch.close();
  });
  ch.recv();
  EXPECT_EQ(data, 1);
  bool ended = false;
  Chan<Unit> polled;
  go([&] {
    data = 2;
    polled.close();
  });
  while (!ended) {
    polled.try_recv(&ended);
    yield();
  }
  EXPECT_EQ(data, 2);
}

TEST_F(Ordering, select_orders_as_the_operation_that_it_chose) {
  Chan<Unit> a, b;
  int data = 0;
  go([&] {
    data = 1;
    select(on_send(a, {}, [] {}), on_send(b, {}, [] {}));
  });
  select(on_recv(a, [] {}), on_recv(b, [] {}));
  EXPECT_EQ(data, 1);
}

TEST_F(Ordering, elements_are_published_with_the_channel) {
  Chan<std::vector<int>> ch(1);
  go([=] {
    for (int i = 0; i < 5; ++i) ch.send(std::vector<int>(100, i));
    ch.close();
  });
  int sum = 0;
  for (std::vector<int> v : ch) {
    for (const int x : v) sum += x;
  }
  EXPECT_EQ(sum, 1000);
}

TEST_F(Ordering, critical_sections_follow_each_other) {
  Mutex mutex;
  RWMutex rwmutex;
  Semaphore semaphore(1);
  int a = 0, b = 0, c = 0;
  WaitGroup wg(4);
  for (int g = 0; g < 4; ++g) {
    go([&, wg]() mutable {
      for (int i = 0; i < 10; ++i) {
        {
          const std::lock_guard guard(mutex);
          ++a;
          yield();
          ++a;
        }
        {
          const std::lock_guard guard(rwmutex);
          ++b;
          yield();
        }
        {
          const std::shared_lock guard(rwmutex);
          EXPECT_GT(b, 0);
          yield();
        }
        semaphore.acquire();
        ++c;
        yield();
        semaphore.release();
      }
      wg.done();
    });
  }
  wg.wait();
  EXPECT_EQ(a, 80);
  EXPECT_EQ(b, 40);
  EXPECT_EQ(c, 40);
}

TEST_F(Ordering, try_lock_that_succeeds_follows_the_last_unlock) {
  Mutex mutex;
  int data = 0;
  WaitGroup wg(2);
  for (int g = 0; g < 2; ++g) {
    go([&, wg]() mutable {
      for (int i = 0; i < 20; ++i) {
        if (mutex.try_lock()) {
          ++data;
          yield();
          mutex.unlock();
        }
        yield();
      }
      wg.done();
    });
  }
  wg.wait();
  EXPECT_GT(data, 0);
}

TEST_F(Ordering, condition_hands_over_what_its_lock_guards) {
  Mutex mutex;
  Cond cond(mutex);
  int turn = 0;
  WaitGroup wg(2);
  for (int g = 0; g < 2; ++g) {
    go([&, g, wg]() mutable {
      for (int i = 0; i < 10; ++i) {
        const std::lock_guard guard(mutex);
        cond.wait([&] { return turn % 2 == g; });
        ++turn;
        cond.broadcast();
      }
      wg.done();
    });
  }
  wg.wait();
  EXPECT_EQ(turn, 20);
}

TEST_F(Ordering, once_publishes_what_its_function_did) {
  Once once;
  int data = 0;
  WaitGroup wg(4);
  for (int g = 0; g < 4; ++g) {
    go([&, wg]() mutable {
      once.call([&] {
        yield();
        data = 1;
      });
      EXPECT_EQ(data, 1);
      wg.done();
    });
  }
  wg.wait();
}

TEST_F(Ordering, atomic_release_and_acquire_publish) {
  Atomic<bool> ready = false;
  int data = 0;
  go([&] {
    data = 1;
    ready.store(true, std::memory_order_release);
  });
  while (!ready.load(std::memory_order_acquire)) yield();
  EXPECT_EQ(data, 1);
}

TEST_F(Ordering, timers_publish_what_was_done_before_they_were_started) {
  int data = 1;
  Chan<Unit> end;
  const Timer timer = after_func(1us, [&] {
    EXPECT_EQ(data, 1);
    end.close();
  });
  end.recv();
}

TEST_F(Ordering, cancel_happens_before_done_is_seen) {
  int data = 0;
  auto [ctx, cancel] = with_cancel(background());
  go([&, cancel = cancel] {
    data = 1;
    cancel();
  });
  ctx.done().recv();
  EXPECT_EQ(data, 1);
}

TEST_F(Ordering, last_reference_sees_what_the_others_did) {
  Chan<std::shared_ptr<int>> ch(4);
  WaitGroup wg(2);
  for (int g = 0; g < 2; ++g) {
    go([ch, wg]() mutable {
      ch.send(std::make_shared<int>(1));
      ch = Chan<std::shared_ptr<int>>(nullptr);
      wg.done();
    });
  }
  ch = Chan<std::shared_ptr<int>>(nullptr);
  wg.wait();
}

}  // namespace
}  // namespace reprise
