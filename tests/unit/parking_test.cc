// Locks, conditions, semaphores, joins, futexes and sleeps of libc and libstdc++, used by goroutines
// on one thread and by threads beside them: nothing may block the thread that runs goroutines.
#include <gtest/gtest.h>
#include <pthread.h>
#include <reprise/go.h>
#include <reprise/sync.h>
#include <semaphore.h>
#include <signal.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <random>
#include <semaphore>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/schedules.h"

namespace reprise {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// Starts goroutines and waits for them, by yielding alone. They run in parallel where there are several Ps: what
// they share is atomic or under a lock. No sanitizer builds this file.
class Goroutines {
 public:
  ~Goroutines() {
    while (left_ > 0) yield();
  }
  template <class F>
  void start(F f) {
    ++left_;
    go([this, f]() mutable {
      f();
      --left_;
    });
  }

 private:
  std::atomic<int> left_ = 0;
};

TEST(Mutex, a_goroutine_that_waits_lets_the_others_run) {
  std::mutex m;
  int order = 0, second = 0;
  m.lock();
  {
    Goroutines all;
    all.start([&] {
      const std::lock_guard<std::mutex> lock(m);
      second = ++order;
    });
    yield();
    EXPECT_EQ(second, 0);
    order = 10;
    m.unlock();
  }
  EXPECT_EQ(second, 11);
}

TEST(Mutex, excludes_goroutines_and_threads_alike) {
  std::mutex m;
  int64_t counter = 0;
  const auto work = [&] {
    for (int i = 0; i < 2000; ++i) {
      const std::lock_guard<std::mutex> lock(m);
      const int64_t seen = counter;
      if (i % 64 == 0) std::this_thread::yield();
      counter = seen + 1;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(work);
  {
    Goroutines all;
    for (int i = 0; i < 4; ++i) all.start(work);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 6 * 2000);
}

TEST(Mutex, a_recursive_one_belongs_to_its_goroutine) {
  std::recursive_mutex m;
  m.lock();
  m.lock();
  std::atomic<bool> tried = false, later = false;
  {
    Goroutines all;
    all.start([&] {
      EXPECT_FALSE(m.try_lock());
      tried = true;
      m.lock();
      later = true;
      m.unlock();
    });
    while (!tried) yield();
    m.unlock();
    yield();
    EXPECT_FALSE(later);
    m.unlock();
  }
  EXPECT_TRUE(later);
}

TEST(Mutex, an_error_checking_one_knows_its_goroutine) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t m;
  pthread_mutex_init(&m, &attr);
  EXPECT_EQ(pthread_mutex_lock(&m), 0);
  EXPECT_EQ(pthread_mutex_lock(&m), EDEADLK);
  int stranger = 0;
  {
    Goroutines all;
    all.start([&] { stranger = pthread_mutex_unlock(&m); });
  }
  EXPECT_EQ(stranger, EPERM);
  EXPECT_EQ(pthread_mutex_unlock(&m), 0);
  EXPECT_EQ(pthread_mutex_unlock(&m), EPERM);
  EXPECT_EQ(pthread_mutex_destroy(&m), 0);
}

TEST(Mutex, a_robust_one_pins_its_holder_and_works) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t m;
  pthread_mutex_init(&m, &attr);
  int counter = 0;
  {
    Goroutines all;
    for (int i = 0; i < 3; ++i)
      all.start([&] {
        for (int k = 0; k < 20; ++k) {
          ASSERT_EQ(pthread_mutex_lock(&m), 0);
          const int seen = counter;
          yield();
          counter = seen + 1;
          ASSERT_EQ(pthread_mutex_unlock(&m), 0);
        }
      });
  }
  EXPECT_EQ(counter, 60);
  pthread_mutex_destroy(&m);
}

TEST(Mutex, a_timed_lock_gives_up_and_later_succeeds) {
  std::timed_mutex m;
  m.lock();
  std::atomic<bool> first = true;
  bool second = false;
  {
    Goroutines all;
    all.start([&] {
      first = m.try_lock_for(milliseconds(1));
      second = m.try_lock_for(hours(1));
      if (second) m.unlock();
    });
    while (first) yield();
    m.unlock();
  }
  EXPECT_TRUE(second);
}

TEST(Mutex, c11_mutexes_and_conditions_are_the_same) {
  mtx_t m;
  cnd_t c;
  ASSERT_EQ(mtx_init(&m, mtx_plain), thrd_success);
  ASSERT_EQ(cnd_init(&c), thrd_success);
  bool ready = false, seen = false;
  {
    Goroutines all;
    all.start([&] {
      mtx_lock(&m);
      while (!ready) cnd_wait(&c, &m);
      seen = true;
      mtx_unlock(&m);
    });
    yield();
    EXPECT_EQ(mtx_lock(&m), thrd_success);
    ready = true;
    cnd_signal(&c);
    mtx_unlock(&m);
  }
  EXPECT_TRUE(seen);
}

TEST(Condition, signals_pass_between_goroutines_and_threads) {
  std::mutex m;
  std::condition_variable c;
  int turn = 0;
  const auto play = [&](int mine, int other) {
    for (int i = 0; i < 300; ++i) {
      std::unique_lock<std::mutex> lock(m);
      c.wait(lock, [&] { return turn == mine; });
      turn = other;
      c.notify_all();
    }
  };
  std::thread thread(play, 1, 2);
  {
    Goroutines all;
    all.start([&] { play(0, 1); });
    all.start([&] { play(2, 0); });
  }
  thread.join();
  EXPECT_EQ(turn, 0);
}

TEST(Condition, a_wait_times_out_and_holds_the_mutex_again) {
  std::mutex m;
  std::condition_variable c;
  std::unique_lock<std::mutex> lock(m);
  EXPECT_EQ(c.wait_for(lock, milliseconds(1)), std::cv_status::timeout);
  EXPECT_EQ(c.wait_until(lock, std::chrono::system_clock::now()), std::cv_status::timeout);
  bool got = true;
  {
    Goroutines all;
    all.start([&] { got = m.try_lock(); });
  }
  EXPECT_FALSE(got);
}

TEST(Condition, a_broadcast_wakes_every_goroutine) {
  std::mutex m;
  std::condition_variable c;
  bool open = false;
  int through = 0;
  {
    Goroutines all;
    for (int i = 0; i < 10; ++i)
      all.start([&] {
        std::unique_lock<std::mutex> lock(m);
        c.wait(lock, [&] { return open; });
        ++through;
      });
    yield();
    const std::lock_guard<std::mutex> lock(m);
    open = true;
    c.notify_all();
  }
  EXPECT_EQ(through, 10);
}

TEST(RwLock, readers_share_and_writers_exclude) {
  std::shared_mutex m;
  std::atomic<int> readers = 0, most = 0;
  int value = 0;
  {
    Goroutines all;
    for (int i = 0; i < 4; ++i)
      all.start([&] {
        for (int k = 0; k < 50; ++k) {
          {
            const std::shared_lock<std::shared_mutex> lock(m);
            const int now = ++readers;
            int before = most;
            while (before < now && !most.compare_exchange_weak(before, now)) {
            }
            yield();
            --readers;
          }
          const std::unique_lock<std::shared_mutex> lock(m);
          ASSERT_EQ(readers.load(), 0);
          const int seen = value;
          yield();
          value = seen + 1;
        }
      });
  }
  EXPECT_EQ(value, 200);
  EXPECT_GT(most.load(), 1);
}

TEST(RwLock, a_timed_lock_gives_up) {
  std::shared_timed_mutex m;
  m.lock();
  bool got = true;
  {
    Goroutines all;
    all.start([&] { got = m.try_lock_shared_for(milliseconds(1)); });
  }
  EXPECT_FALSE(got);
  m.unlock();
}

TEST(Semaphore, counts_between_goroutines_and_threads) {
  sem_t s;
  ASSERT_EQ(sem_init(&s, 0, 0), 0);
  std::atomic<int> taken = 0;
  std::thread thread([&] {
    for (int i = 0; i < 100; ++i) sem_post(&s);
  });
  {
    Goroutines all;
    for (int i = 0; i < 4; ++i)
      all.start([&] {
        for (int k = 0; k < 25; ++k) {
          ASSERT_EQ(sem_wait(&s), 0);
          ++taken;
        }
      });
  }
  thread.join();
  EXPECT_EQ(taken.load(), 100);
  EXPECT_EQ(sem_trywait(&s), -1);
  EXPECT_EQ(errno, EAGAIN);
  timespec past{0, 0};
  EXPECT_EQ(sem_timedwait(&s, &past), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  sem_destroy(&s);
}

TEST(Thread, joining_parks_the_goroutine) {
  std::atomic<bool> go_on{false};
  std::thread thread([&] {
    while (!go_on) std::this_thread::yield();
  });
  {
    Goroutines all;
    all.start([&] { thread.join(); });
    yield();  // the joiner waits; we still run
    go_on = true;
  }
}

TEST(Thread, results_and_detaching_work) {
  pthread_t id;
  int value = 0;
  ASSERT_EQ(pthread_create(&id, nullptr, [](void* p) -> void* { return p; }, &value), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(id, &result), 0);
  EXPECT_EQ(result, &value);
  ASSERT_EQ(pthread_create(&id, nullptr, [](void*) -> void* { pthread_exit(nullptr); }, nullptr), 0);
  ASSERT_EQ(pthread_join(id, &result), 0);
  EXPECT_EQ(result, nullptr);
  std::latch done(1);
  std::thread([&] { done.count_down(); }).detach();
  done.wait();
}

// A thread that ends when it is told to.
struct Waiting {
  std::atomic<bool> go_on{false};
  static void* run(void* arg) {
    while (!static_cast<Waiting*>(arg)->go_on) std::this_thread::yield();
    return arg;
  }
};

// Without a goroutine that could run meanwhile: the thread is all that is left when its function has returned.
TEST(Thread, what_a_thread_does_at_its_end_is_waited_for) {
  for (int i = 0; i < 20; ++i) {
    std::promise<int> promise;
    std::future<int> value = promise.get_future();
    std::thread keeps_it([&] { promise.set_value_at_thread_exit(i); });
    EXPECT_EQ(value.get(), i);
    keeps_it.join();
    std::mutex mutex;
    std::condition_variable told;
    bool over = false;
    std::thread notifies([&] {
      std::unique_lock<std::mutex> lock(mutex);
      over = true;
      std::notify_all_at_thread_exit(told, std::move(lock));
    });
    {
      std::unique_lock<std::mutex> lock(mutex);
      told.wait(lock, [&] { return over; });
    }
    notifies.join();
  }
}

struct AtThreadEnd {
  std::atomic<bool>* over = nullptr;
  ~AtThreadEnd() {
    if (over == nullptr) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    *over = true;
  }
};
thread_local AtThreadEnd at_thread_end;

TEST(Thread, a_join_is_behind_the_destructors_of_the_threads_variables) {
  std::atomic<bool> over{false};
  std::thread thread([&] { at_thread_end.over = &over; });
  thread.join();
  EXPECT_TRUE(over);
}

TEST(Thread, what_a_timer_calls_on_a_thread_of_libcs_is_waited_for) {
  static std::atomic<int> calls{0};
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) {
    ++calls;
    calls.notify_all();
  };
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  const itimerspec soon{{0, 0}, {0, 2'000'000}};
  ASSERT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  calls.wait(0);
  EXPECT_EQ(calls, 1);
  timer_delete(timer);
}

TEST(Thread, attempts_and_deadlines_of_a_join_leave_the_thread_joinable) {
  Waiting waiting;
  pthread_t id;
  void* result = nullptr;
  ASSERT_EQ(pthread_create(&id, nullptr, Waiting::run, &waiting), 0);
  EXPECT_EQ(pthread_tryjoin_np(id, &result), EBUSY);
  const timespec past{1, 0}, bad{1, 1'000'000'000};
  EXPECT_EQ(pthread_timedjoin_np(id, &result, &past), ETIMEDOUT);
  EXPECT_EQ(pthread_clockjoin_np(id, &result, CLOCK_MONOTONIC, &past), ETIMEDOUT);
  EXPECT_EQ(pthread_timedjoin_np(id, &result, &bad), EINVAL);
  waiting.go_on = true;
  EXPECT_EQ(pthread_timedjoin_np(id, &result, nullptr), 0);
  EXPECT_EQ(result, &waiting);
}

TEST(Thread, joining_with_a_deadline_parks_the_goroutine) {
  Waiting waiting;
  pthread_t id;
  ASSERT_EQ(pthread_create(&id, nullptr, Waiting::run, &waiting), 0);
  timespec later;
  clock_gettime(CLOCK_MONOTONIC, &later);
  later.tv_sec += 100;
  Goroutines all;
  all.start([&] { EXPECT_EQ(pthread_clockjoin_np(id, nullptr, CLOCK_MONOTONIC, &later), 0); });
  yield();  // the joiner waits; we still run
  waiting.go_on = true;
}

TEST(Thread, an_attempt_to_join_collects_a_thread_that_has_ended) {
  pthread_t id;
  void* result = nullptr;
  int value = 0;
  ASSERT_EQ(pthread_create(&id, nullptr, [](void* p) -> void* { return p; }, &value), 0);
  int error;
  while ((error = pthread_tryjoin_np(id, &result)) == EBUSY) std::this_thread::yield();
  EXPECT_EQ(error, 0);
  EXPECT_EQ(result, &value);
}

TEST(Thread, threads_of_c11_are_threads_like_others) {
  std::atomic<bool> go_on{false};
  thrd_t id;
  ASSERT_EQ(thrd_create(&id, [](void* arg) {
    while (!*static_cast<std::atomic<bool>*>(arg)) thrd_yield();
    return 7;
  }, &go_on), thrd_success);
  {
    Goroutines all;
    all.start([&] {
      int result = 0;
      EXPECT_EQ(thrd_join(id, &result), thrd_success);
      EXPECT_EQ(result, 7);
    });
    yield();  // the joiner waits; we still run
    go_on = true;
  }
  ASSERT_EQ(thrd_create(&id, [](void*) -> int { thrd_exit(8); }, nullptr), thrd_success);
  int result = 0;
  EXPECT_EQ(thrd_join(id, &result), thrd_success);
  EXPECT_EQ(result, 8);
  ASSERT_EQ(thrd_create(&id, [](void*) { return 0; }, nullptr), thrd_success);
  EXPECT_EQ(thrd_detach(id), thrd_success);
}

TEST(Once, the_second_goroutine_waits_for_the_first) {
  std::once_flag flag;
  int runs = 0;
  std::atomic<int> through = 0;
  {
    Goroutines all;
    for (int i = 0; i < 5; ++i)
      all.start([&] {
        std::call_once(flag, [&] {
          yield();
          ++runs;
        });
        EXPECT_EQ(runs, 1);
        ++through;
      });
  }
  EXPECT_EQ(through.load(), 5);
}

// What to call is kept in variables of the thread, which a third goroutine uses meanwhile.
TEST(Once, a_waiter_runs_its_own_function_after_the_first_threw) {
  std::once_flag flag, other;
  int second = 0, third = 0;
  {
    Goroutines all;
    all.start([&] {
      try {
        std::call_once(flag, [] {
          for (int i = 0; i < 10; ++i) yield();
          throw 1;
        });
      } catch (int) {
      }
    });
    all.start([&] { std::call_once(flag, [&] { ++second; }); });
    all.start([&] { std::call_once(other, [&] { ++third; }); });
  }
  EXPECT_EQ(second, 1);
  EXPECT_EQ(third, 1);
}

TEST(Once, an_exception_lets_the_next_one_try) {
  std::once_flag flag;
  EXPECT_THROW(std::call_once(flag, [] { throw 1; }), int);
  bool ran = false;
  std::call_once(flag, [&] { ran = true; });
  EXPECT_TRUE(ran);
}

// As a compiler does that keeps the address of a thread's variable across a wait.
TEST(Once, a_function_that_was_noted_at_another_thread_is_fatal) {
  const auto call = [](void* callable, void (*function)()) {
    std::__once_callable = callable;
    std::__once_call = function;
    pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, std::__once_proxy);
  };
  int here = 0;
  static int elsewhere = 0;
  call(&here, [] {});
  EXPECT_EXIT(call(&here, nullptr), testing::ExitedWithCode(2), "std::call_once: .*use reprise::Once");
  EXPECT_EXIT(call(&elsewhere, [] {}), testing::ExitedWithCode(2), "std::call_once: .*use reprise::Once");
}

// Else a later call that is noted elsewhere would be taken for this one.
TEST(Once, what_was_called_is_not_noted_behind_it) {
  static int called = 0;
  int here = 0;
  std::__once_callable = &here;
  std::__once_call = [] { ++called; };
  pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, std::__once_proxy);
  EXPECT_EQ(called, 1);
  EXPECT_EQ(std::__once_callable, nullptr);
  EXPECT_EQ(std::__once_call, nullptr);
}

// libstdc++ keeps what is to be called in two thread-locals.
TEST(Once, each_goroutine_calls_what_it_brought) {
  test::under_schedules(50, [] {
    std::once_flag flags[4];
    int called[4] = {};
    WaitGroup all;
    for (int i = 0; i < 4; ++i) {
      all.add(1);
      go([&, i] {
        std::call_once(flags[i], [&called, i] { called[i] += i + 1; });
        all.done();
      });
    }
    all.wait();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(called[i], i + 1);
  });
}

TEST(StaticGuard, the_second_goroutine_waits_for_the_first) {
  std::atomic<int> through = 0;
  {
    Goroutines all;
    for (int i = 0; i < 3; ++i)
      all.start([&] {
        static const int value = [] {
          yield();
          return 7;
        }();
        EXPECT_EQ(value, 7);
        ++through;
      });
  }
  EXPECT_EQ(through.load(), 3);
}

TEST(Atomic, wait_and_notify_park_the_goroutine) {
  std::atomic<int> word{0};
  std::atomic<int> echo{0};
  std::thread thread([&] {
    word.wait(0);
    echo = 1;
    echo.notify_all();
  });
  {
    Goroutines all;
    all.start([&] { echo.wait(0); });
    all.start([&] { word.wait(0); });
    yield();
    word = 1;
    word.notify_all();
  }
  thread.join();
  EXPECT_EQ(echo, 1);
}

TEST(Atomic, barriers_semaphores_and_futures_work_between_goroutines) {
  std::barrier barrier(3);
  std::counting_semaphore<4> semaphore(0);
  std::promise<int> promise;
  int sum = 0;
  {
    Goroutines all;
    for (int i = 0; i < 3; ++i)
      all.start([&] {
        for (int k = 0; k < 5; ++k) barrier.arrive_and_wait();
        semaphore.release();
      });
    all.start([&] {
      for (int i = 0; i < 3; ++i) semaphore.acquire();
      promise.set_value(5);
    });
    all.start([&, future = promise.get_future().share()] { sum += future.get(); });
  }
  EXPECT_EQ(sum, 5);
}

TEST(Barrier, posix_ones_park_too) {
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, 3), 0);
  std::atomic<int> serial = 0;
  {
    Goroutines all;
    for (int i = 0; i < 3; ++i)
      all.start([&] {
        for (int k = 0; k < 10; ++k)
          serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
      });
  }
  EXPECT_EQ(serial.load(), 10);
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(Sleep, every_kind_lets_the_others_run) {
  std::atomic<int> awake = 0;
  std::atomic<bool> ran = false;
  {
    Goroutines all;
    const auto start_sleeper = [&](auto doze) {
      all.start([&, doze] {
        do doze();
        while (!ran);
        ++awake;
      });
    };
    start_sleeper([] { usleep(1000); });
    start_sleeper([] { std::this_thread::sleep_for(milliseconds(1)); });
    start_sleeper([] {
      std::this_thread::sleep_until(std::chrono::steady_clock::now() + milliseconds(1));
    });
    start_sleeper([] { sleep(0); });
    all.start([&] { ran = true; });
  }
  EXPECT_EQ(awake.load(), 4);
  timespec bad{0, -1};
  EXPECT_EQ(nanosleep(&bad, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(RandomDevice, draws_differ) {
  std::random_device device;
  EXPECT_FALSE(device() == device() && device() == device());
}

}  // namespace
}  // namespace reprise
