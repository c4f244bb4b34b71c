// Threads of the program's own, among themselves and beside goroutines.
#include <pthread.h>
#include <reprise/chan.h>
#include <semaphore.h>

#include <atomic>
#include <barrier>
#include <condition_variable>
#include <chrono>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "tests/race/cases.h"

namespace race_cases {
namespace {

// Runs each function on a thread of its own and joins all.
template <class... F>
void on_threads(F... f) {
  std::thread all[] = {std::thread(f)...};
  for (std::thread& thread : all) thread.join();
}

// ---- births and deaths ----

void write_before_thread() {
  int x = 1;
  on_threads([&] { ++x; });
  use(x);
}
void write_after_thread() {
  int x = 0;
  std::thread thread([&] { x = 1; });
  x = 2;
  thread.join();
}
void read_before_join() {
  int x = 0;
  std::thread thread([&] { x = 1; });
  use(x + 0);
  thread.join();
}
void threads_one_after_another() {
  int x = 0;
  for (int i = 0; i < 5; ++i) on_threads([&] { ++x; });
  use(x);
}
void two_threads_write() {
  int x = 0;
  on_threads([&] { x = 1; }, [&] { x = 2; });
}
void thread_of_a_thread() {
  int x = 0;
  on_threads([&] {
    x = 1;
    on_threads([&] { ++x; });
    ++x;
  });
  use(x);
}
void thread_and_its_thread() {
  int x = 0;
  on_threads([&] {
    std::thread inner([&] { x = 1; });
    x = 2;
    inner.join();
  });
}
void stacks_of_threads_used_again() {
  for (int i = 0; i < 5; ++i) {
    on_threads([] {
      int local[8] = {};
      on_threads([&] { local[1] = 1; });
      use(local);
    });
  }
}
// What the main goroutine sees of their end orders nothing.
void stacks_of_detached_threads_used_again() {
  static std::atomic<int> ended = 0;
  for (int i = 0; i < 8; ++i) {
    std::thread([] {
      int local[64] = {};
      local[5] = 1;
      use(local);
      ended.fetch_add(1, std::memory_order_relaxed);
    }).detach();
    while (ended.load(std::memory_order_relaxed) <= i) std::this_thread::yield();
  }
}
void thread_uses_and_thread_frees() {
  int* p = new int[16]();
  on_threads([=] { p[9] = 1; }, [=] { delete[] p; });
}
void free_after_threads() {
  auto* p = new int[16]();
  on_threads([=] { p[9] = 1; }, [=] { p[10] = 1; });
  delete[] p;
}
void memory_of_threads_used_again() {
  const auto work = [] {
    for (int i = 0; i < 20; ++i) {
      auto p = std::make_unique<int[]>(16);
      p[3] = i;
      std::this_thread::yield();
      use(p[3]);
    }
  };
  on_threads(work, work);
}
void shared_pointer_of_threads() {
  auto p = std::make_shared<int>(1);
  on_threads([p] { use(*p + 0); }, [p] { use(*p + 0); });
  p.reset();
}

// ---- variables of a thread ----

thread_local int of_thread = 0;

void each_thread_has_its_own() {
  const auto work = [] { for (int i = 0; i < 3; ++i) ++of_thread; };
  on_threads(work, work);
  work();
}
void variable_of_a_thread_lent_out() {
  on_threads([] {
    int* p = &of_thread;
    std::thread borrower([p] { *p = 1; });
    of_thread = 2;
    borrower.join();
  });
}
void variable_of_a_thread_lent_and_back() {
  on_threads([] {
    int* p = &of_thread;
    of_thread = 2;
    std::thread borrower([p] { *p = 1; });
    borrower.join();
    of_thread = 3;
  });
}
int last_words = 0;
struct SaysLastWords {
  ~SaysLastWords() { last_words = 1; }
};
thread_local SaysLastWords says_last_words;

void destructors_come_before_join() {
  on_threads([] { use(says_last_words); });
  use(last_words + 0);
}
void destructor_and_another_thread() {
  on_threads([] { use(says_last_words); }, [] { use(last_words + 0); });
}

// ---- locks ----

void threads_with_one_mutex() {
  int x = 0;
  std::mutex m;
  const auto work = [&] { for (int i = 0; i < 3; ++i) { std::lock_guard lock(m); ++x; } };
  on_threads(work, work);
  use(x);
}
void threads_with_two_mutexes() {
  int x = 0;
  std::mutex m, n;
  on_threads([&] { std::lock_guard lock(m); ++x; }, [&] { std::lock_guard lock(n); ++x; });
}
void threads_that_try() {
  int x = 0;
  std::mutex m;
  const auto work = [&] {
    while (!m.try_lock()) std::this_thread::yield();
    ++x;
    m.unlock();
  };
  on_threads(work, work);
}
void threads_that_try_for_a_while() {
  int x = 0;
  std::timed_mutex m;
  const auto work = [&] {
    if (!m.try_lock_for(std::chrono::hours(1))) return;
    ++x;
    m.unlock();
  };
  on_threads(work, work);
}
void readers_and_a_writer() {
  int x = 0;
  std::shared_mutex m;
  const auto read = [&] { std::shared_lock lock(m); use(x + 0); };
  on_threads(read, [&] { std::unique_lock lock(m); ++x; }, read);
}
void readers_that_write() {
  int x = 0;
  std::shared_mutex m;
  const auto write = [&] { std::shared_lock lock(m); ++x; };
  on_threads(write, write);
}
void handed_over_by_a_condition() {
  int x = 0;
  bool there = false;
  std::mutex m;
  std::condition_variable changed;
  on_threads(
      [&] {
        x = 1;
        std::lock_guard lock(m);
        there = true;
        changed.notify_one();
      },
      [&] {
        std::unique_lock lock(m);
        changed.wait(lock, [&] { return there; });
        lock.unlock();
        ++x;
      });
}
void condition_without_its_mutex() {
  int x = 0;
  std::mutex m;
  std::condition_variable changed;
  on_threads([&] { x = 1; changed.notify_one(); },
             [&] {
               std::unique_lock lock(m);
               changed.wait_for(lock, std::chrono::milliseconds(1), [&] { return x == 1; });
             });
}
void threads_and_a_semaphore() {
  int x = 0;
  sem_t s;
  sem_init(&s, 0, 0);
  on_threads([&] { x = 1; sem_post(&s); }, [&] { sem_wait(&s); ++x; });
  sem_destroy(&s);
}
void threads_and_a_standard_semaphore() {
  int x = 0;
  std::binary_semaphore s(0);
  on_threads([&] { x = 1; s.release(); }, [&] { s.acquire(); ++x; });
}
void threads_at_a_barrier() {
  int x[2] = {};
  pthread_barrier_t b;
  pthread_barrier_init(&b, nullptr, 2);
  on_threads([&] { x[0] = 1; pthread_barrier_wait(&b); use(x[1] + 0); },
             [&] { x[1] = 1; pthread_barrier_wait(&b); use(x[0] + 0); });
  pthread_barrier_destroy(&b);
}
void threads_at_a_standard_barrier() {
  int x[2] = {};
  std::barrier b(2);
  on_threads([&] { x[0] = 1; b.arrive_and_wait(); use(x[1] + 0); },
             [&] { x[1] = 1; b.arrive_and_wait(); use(x[0] + 0); });
}
void threads_and_a_latch() {
  int x = 0;
  std::latch l(1);
  on_threads([&] { x = 1; l.count_down(); }, [&] { l.wait(); ++x; });
}
void once_among_threads() {
  int x = 0;
  std::once_flag once;
  const auto work = [&] { std::call_once(once, [&] { x = 1; }); use(x + 0); };
  on_threads(work, work);
}
int* static_of_threads() {
  static std::unique_ptr<int> made = std::make_unique<int>(7);
  return made.get();
}
void static_among_threads() {
  const auto work = [] { use(*static_of_threads() + 0); };
  on_threads(work, work, work);
}

// ---- atomics and futures ----

void threads_release_and_acquire() {
  int x = 0;
  std::atomic<bool> there = false;
  on_threads([&] { x = 1; there.store(true, std::memory_order_release); },
             [&] {
               while (!there.load(std::memory_order_acquire)) std::this_thread::yield();
               ++x;
             });
}
void threads_and_a_relaxed_flag() {
  int x = 0;
  std::atomic<bool> there = false;
  on_threads([&] { x = 1; there.store(true, std::memory_order_relaxed); },
             [&] {
               while (!there.load(std::memory_order_relaxed)) std::this_thread::yield();
               ++x;
             });
}
void threads_wait_for_an_atomic() {
  int x = 0;
  std::atomic<int> there = 0;
  on_threads([&] { x = 1; there = 1; there.notify_all(); }, [&] { there.wait(0); ++x; });
}
void plain_and_atomic_by_threads() {
  alignas(4) int x = 0;
  on_threads([&] { std::atomic_ref<int>(x).fetch_add(1); }, [&] { x = 5; });
}
void promise_of_a_thread() {
  int x = 0;
  std::promise<void> promise;
  on_threads([&] { x = 1; promise.set_value(); }, [&] { promise.get_future().wait(); ++x; });
}
void future_of_async() {
  int x = 0;
  auto value = std::async(std::launch::async, [&] { x = 1; return std::vector<int>(10, 3); });
  use(value.get()[3]);
  use(x + 0);
}
void exception_of_async() {
  auto value = std::async(std::launch::async, []() -> int { throw std::string("a text that is longer than fits in place"); });
  try {
    use(value.get());
  } catch (const std::string& text) {
    use(text.size() + 0);
  }
}

// ---- beside goroutines ----

void thread_and_goroutine() {
  int x = 0;
  std::thread thread([&] { x = 1; });
  together([&] { x = 2; });
  thread.join();
}
void thread_and_goroutine_with_a_mutex() {
  int x = 0;
  std::mutex m;
  const auto work = [&] { std::lock_guard lock(m); ++x; };
  std::thread thread(work);
  together(work, work);
  thread.join();
}
void thread_and_goroutine_with_reprises_mutex() {
  int x = 0;
  reprise::Mutex m;
  const auto work = [&] { m.lock(); ++x; m.unlock(); };
  std::thread thread(work);
  together(work, work);
  thread.join();
}
void goroutine_of_a_thread() {
  int x = 0;
  on_threads([&] { x = 1; together([&] { ++x; }); ++x; });
  use(x);
}
void thread_receives() {
  int x = 0;
  reprise::Chan<int> c;
  std::thread thread([&] { c.recv(); ++x; });
  x = 1;
  c.send(1);
  thread.join();
}
void thread_sends() {
  int x = 0;
  reprise::Chan<int> c(1);
  std::thread thread([&] { x = 1; c.send(1); });
  c.recv();
  ++x;
  thread.join();
}
void thread_sends_too_early() {
  int x = 0;
  reprise::Chan<int> c(1);
  std::thread thread([&] { c.send(1); x = 1; });
  c.recv();
  ++x;
  thread.join();
}
void group_of_threads() {
  int x[2] = {};
  reprise::WaitGroup all(2);
  std::thread a([&, all]() mutable { x[0] = 1; all.done(); });
  std::thread b([&, all]() mutable { x[1] = 1; all.done(); });
  all.wait();
  use(x[0] + x[1]);
  a.join();
  b.join();
}
// Each hands on what it wrote to the next: goroutine, thread, goroutine.
void handed_on_by_a_thread() {
  int x = 0;
  std::mutex m;
  int turn = 0;
  const auto at = [&](int mine) {
    for (;;) {
      {
        std::lock_guard lock(m);
        if (turn == mine) break;
      }
      std::this_thread::yield();
    }
    ++x;
    std::lock_guard lock(m);
    ++turn;
  };
  std::thread thread(at, 1);
  together([&] { at(0); }, [&] { at(2); });
  thread.join();
}
// The same by locks of which each is between two.
void handed_on_by_a_thread_and_two_locks() {
  int x = 0;
  std::mutex first, second;
  bool one = false, two = false;
  const auto set = [](std::mutex& m, bool& flag) { std::lock_guard lock(m); flag = true; };
  const auto await = [](std::mutex& m, const bool& flag) {
    for (;;) {
      {
        std::lock_guard lock(m);
        if (flag) return;
      }
      std::this_thread::yield();
    }
  };
  std::thread thread([&] { await(first, one); set(second, two); });
  together([&] { x = 1; set(first, one); }, [&] { await(second, two); ++x; });
  thread.join();
}

// The same without a loop, for explorations.
void handed_on_by_a_thread_and_two_channels() {
  int x = 0;
  reprise::Chan<int> first(1), second(1);
  std::thread thread([&] { first.recv(); second.send(1); });
  together([&] { x = 1; first.send(1); }, [&] { second.recv(); ++x; });
  thread.join();
}

constexpr Case kCases[] = {
    {"write_before_thread", false, write_before_thread},
    {"write_after_thread", true, write_after_thread},
    {"read_before_join", true, read_before_join},
    {"threads_one_after_another", false, threads_one_after_another},
    {"two_threads_write", true, two_threads_write},
    {"thread_of_a_thread", false, thread_of_a_thread},
    {"thread_and_its_thread", true, thread_and_its_thread},
    {"stacks_of_threads_used_again", false, stacks_of_threads_used_again},
    {"stacks_of_detached_threads_used_again", false, stacks_of_detached_threads_used_again},
    {"thread_uses_and_thread_frees", true, thread_uses_and_thread_frees},
    {"free_after_threads", false, free_after_threads},
    {"memory_of_threads_used_again", false, memory_of_threads_used_again},
    {"shared_pointer_of_threads", false, shared_pointer_of_threads},
    {"each_thread_has_its_own", false, each_thread_has_its_own},
    {"variable_of_a_thread_lent_out", true, variable_of_a_thread_lent_out},
    {"variable_of_a_thread_lent_and_back", false, variable_of_a_thread_lent_and_back},
    {"destructors_come_before_join", false, destructors_come_before_join},
    {"destructor_and_another_thread", true, destructor_and_another_thread},
    {"threads_with_one_mutex", false, threads_with_one_mutex},
    {"threads_with_two_mutexes", true, threads_with_two_mutexes},
    {"threads_that_try", false, threads_that_try},
    {"threads_that_try_for_a_while", false, threads_that_try_for_a_while},
    {"readers_and_a_writer", false, readers_and_a_writer},
    {"readers_that_write", true, readers_that_write},
    {"handed_over_by_a_condition", false, handed_over_by_a_condition},
    {"condition_without_its_mutex", true, condition_without_its_mutex},
    {"threads_and_a_semaphore", false, threads_and_a_semaphore},
    {"threads_and_a_standard_semaphore", false, threads_and_a_standard_semaphore},
    {"threads_at_a_barrier", false, threads_at_a_barrier},
    {"threads_at_a_standard_barrier", false, threads_at_a_standard_barrier},
    {"threads_and_a_latch", false, threads_and_a_latch},
    {"once_among_threads", false, once_among_threads},
    {"static_among_threads", false, static_among_threads},
    {"threads_release_and_acquire", false, threads_release_and_acquire},
    {"threads_and_a_relaxed_flag", true, threads_and_a_relaxed_flag},
    {"threads_wait_for_an_atomic", false, threads_wait_for_an_atomic},
    {"plain_and_atomic_by_threads", true, plain_and_atomic_by_threads},
    {"promise_of_a_thread", false, promise_of_a_thread},
    {"future_of_async", false, future_of_async},
    {"exception_of_async", false, exception_of_async},
    {"thread_and_goroutine", true, thread_and_goroutine},
    {"thread_and_goroutine_with_a_mutex", false, thread_and_goroutine_with_a_mutex},
    {"thread_and_goroutine_with_reprises_mutex", false, thread_and_goroutine_with_reprises_mutex},
    {"goroutine_of_a_thread", false, goroutine_of_a_thread},
    {"thread_receives", false, thread_receives},
    {"thread_sends", false, thread_sends},
    {"thread_sends_too_early", true, thread_sends_too_early},
    {"group_of_threads", false, group_of_threads},
    {"handed_on_by_a_thread", false, handed_on_by_a_thread},
    {"handed_on_by_a_thread_and_two_locks", false, handed_on_by_a_thread_and_two_locks},
};

constexpr Case kUnfollowed[] = {
    {"thread_in_an_exploration", false, thread_and_goroutine},
    {"handed_on_in_an_exploration", false, handed_on_by_a_thread_and_two_channels},
};

}  // namespace

std::span<const Case> thread_cases() { return kCases; }
std::span<const Case> unfollowed_cases() { return kUnfollowed; }

}  // namespace race_cases
