// What C++ brings: std's locks and threads beside goroutines, exceptions held across waits, errno,
// goroutines that keep a thread.
#include <reprise/reprise.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/soak/loads.h"

namespace reprise::soak {

namespace {

// A queue of std's parts, between goroutines and threads of the program's own.
struct Queue {
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<uint64_t> items;
  bool ended = false;

  void push(uint64_t v) {
    {
      const std::lock_guard lock(mutex);
      items.push_back(v);
    }
    filled.notify_one();
  }
  bool pop(uint64_t* v) {
    std::unique_lock lock(mutex);
    filled.wait(lock, [&] { return ended || !items.empty(); });
    if (items.empty()) return false;
    *v = items.front();
    items.pop_front();
    return true;
  }
  void end() {
    {
      const std::lock_guard lock(mutex);
      ended = true;
    }
    filled.notify_all();
  }
};

// Threads and goroutines push, threads and goroutines pop.
[[maybe_unused]] void std_queue(Tally& tally, Random& random) {
  const auto queue = std::make_shared<Queue>();
  const uint64_t each = 50 + random.below(200);
  const auto produce = [queue, each, &tally] {
    for (uint64_t i = 0; i < each; ++i) {
      tally.enter();
      queue->push(i);
    }
  };
  const auto consume = [queue, &tally] {
    uint64_t v;
    while (queue->pop(&v)) tally.leave();
  };
  WaitGroup producers(3), consumers(3);
  for (int i = 0; i < 3; ++i) {
    go([produce, producers]() mutable { produce(); producers.done(); });
    go([consume, consumers]() mutable { consume(); consumers.done(); });
  }
  std::thread pushes(produce), pops(consume);
  producers.wait();
  pushes.join();
  queue->end();
  consumers.wait();
  pops.join();
}

// Threads that the runtime does not know send into a channel; they may not wait there, so they try.
[[maybe_unused]] void foreign_senders(Tally& tally, Random& random) {
  const uint64_t each = 20 + random.below(80);
  const Chan<uint64_t> ch(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&tally, ch, each] {
      for (uint64_t n = 0; n < each; ++n) {
        tally.enter();
        while (!ch.try_send(n)) std::this_thread::yield();
      }
    });
  }
  for (uint64_t n = 0; n < 2 * each; ++n) {
    if (ch.recv()) tally.leave();
  }
  for (std::thread& thread : threads) thread.join();
}

// errno's address may be kept across a call by the compiler; so it is used where it was found.
[[gnu::noinline]] void set_errno(int value) { errno = value; }
[[gnu::noinline]] int get_errno() { return errno; }

void throw_and_hold(Tally& tally, uint64_t depth, uint64_t id) {
  try {
    throw std::runtime_error(std::to_string(id));
  } catch (const std::runtime_error& e) {
    set_errno(static_cast<int>(id % 1000));
    yield();
    if (depth > 0) throw_and_hold(tally, depth - 1, id * 7 + 1);
    tally.check(std::uncaught_exceptions() == 0 && std::current_exception() != nullptr);
    tally.check(e.what() == std::to_string(id));
    if (depth == 0) tally.check(get_errno() == static_cast<int>(id % 1000));
    try {
      throw;
    } catch (const std::exception& again) {
      tally.check(again.what() == std::to_string(id));
    }
  }
}

void exceptions(Tally& tally, Random& random) {
  WaitGroup all;
  for (int i = 0; i < 10; ++i) {
    tally.enter();
    all.add(1);
    go([&tally, all, id = random.below(100000)]() mutable {
      throw_and_hold(tally, 3, id);
      tally.leave();
      all.done();
    });
  }
  all.wait();
}

void locked_threads(Tally& tally, Random& random) {
  WaitGroup all;
  for (int i = 0; i < 3; ++i) {
    tally.enter();
    all.add(1);
    go([&tally, all, ends_locked = random.below(3) == 0]() mutable {
      lock_os_thread();
      const pthread_t mine = pthread_self();
      for (int k = 0; k < 4; ++k) {
        yield();
        tally.check(pthread_equal(mine, pthread_self()) != 0);
      }
      if (!ends_locked) unlock_os_thread();
      tally.leave();
      all.done();
    });
  }
  all.wait();
}

// Recursive and shared locks of std's, once flags, statics, futures.
[[maybe_unused]] void std_medley(Tally& tally, Random& random) {
  struct Shared {
    std::recursive_mutex recursive;
    std::shared_mutex shared;
    std::once_flag once;
    uint64_t twice = 0;  // recursive
    uint64_t value = 0;  // shared
    std::atomic<int> ran{0};
    std::atomic<int> word{0};
    std::promise<int> promise;
  };
  const auto s = std::make_shared<Shared>();
  const uint64_t each = 10 + random.below(40);
  WaitGroup all;
  for (int i = 0; i < 6; ++i) {
    tally.enter(each);
    all.add(1);
    go([s, each, &tally, all, i]() mutable {
      for (uint64_t n = 0; n < each; ++n) {
        std::call_once(s->once, [&] { s->ran.fetch_add(1); });
        {
          const std::lock_guard outer(s->recursive);
          const std::lock_guard inner(s->recursive);
          ++s->twice;
          if (n % 8 == 0) yield();
        }
        if (i % 3 == 0) {
          const std::lock_guard lock(s->shared);
          ++s->value;
        } else {
          const std::shared_lock lock(s->shared);
          tally.check(s->value <= 2 * each);
        }
        tally.leave();
      }
      all.done();
    });
  }
  std::future<int> future = s->promise.get_future();
  tally.enter();
  all.add(1);
  go([s, all]() mutable {
    s->word.store(1);
    s->word.notify_all();
    s->promise.set_value(5);
    all.done();
  });
  s->word.wait(0);
  tally.check(future.get() == 5);
  tally.leave();
  all.wait();
  tally.check(s->twice == 6 * each && s->value == 2 * each && s->ran.load() == 1);
}

constexpr Load kLoads[] = {
    {"exceptions", exceptions},
    {"own threads", locked_threads},
#ifndef REPRISE_SANITIZED
    // Sanitizers bring interposition of their own: there std's locks hold the thread, and the program's
    // threads are not known, so that waiting for one alone looks like a deadlock.
    {"foreign", foreign_senders},
    {"std queue", std_queue},
    {"std locks", std_medley},
#endif
};

}  // namespace

std::span<const Load> cxx_loads() { return kLoads; }

}  // namespace reprise::soak
