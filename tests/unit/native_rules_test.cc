// What C++ keeps in threads and a goroutine must find again on another thread, and locks of libc's that
// must not hold a thread: the native rules (runtime/HACKING.md). At least two Ps; where a rule is about
// one, the test says gomaxprocs(1).
#include <gtest/gtest.h>
#include <pthread.h>
#include <reprise/reprise.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/sched/proc.h"
#include "tests/support/procs.h"

namespace reprise {
namespace {

long thread_id() { return syscall(SYS_gettid); }

using test::Procs;

// Goes on on another thread than the one it runs on, for sure: another goroutine locks that thread
// while this one is parked, and keeps it until the end of the scope. Parks; what follows does not move
// by itself.
class OnAnotherThread {
 public:
  OnAnotherThread() : from_(thread_id()) {
    // Woken by a goroutine that a thief took, this one may have moved without help.
    for (bool taken = false; !taken && thread_id() == from_;) {
      const Chan<bool> tried;
      go([this, tried] { take(tried); });
      taken = *tried.recv();
    }
    left_ = thread_id() != from_;
  }
  ~OnAnotherThread() {
    release_.close();
    released_.wait();
  }
  OnAnotherThread(const OnAnotherThread&) = delete;
  OnAnotherThread& operator=(const OnAnotherThread&) = delete;

  bool left() const { return left_; }

 private:
  // Mostly runs next on the P, and so the thread, that its maker parks on.
  void take(const Chan<bool>& tried) {
    lock_os_thread();
    const bool here = thread_id() == from_;
    if (here) released_.add(1);
    tried.send(here);
    if (here) {
      release_.recv();
      released_.done();
    }
    unlock_os_thread();
  }

  const long from_;
  bool left_ = false;
  const Chan<Unit> release_;
  WaitGroup released_;
};

// The goroutine that runs the tests may be locked to its thread.
template <class F>
void on_a_goroutine(F f) {
  WaitGroup done(1);
  go([f, done]() mutable {
    f();
    done.done();
  });
  done.wait();
}

TEST(NativeRules, errno_goes_with_its_goroutine_to_another_thread) {
  const Procs procs(4);
  WaitGroup all;
  std::atomic<int> right{0}, moved{0};
  for (int i = 1; i <= 4; ++i) {
    all.add(1);
    go([&, i] {
      for (int round = 0; round < 5; ++round) {
        errno = i;
        const OnAnotherThread other;
        moved += other.left();
        right += errno == i;
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(moved, 20);
  EXPECT_EQ(right, 20);
}

TEST(NativeRules, exception_being_handled_goes_with_its_goroutine) {
  const Procs procs(4);
  WaitGroup all;
  std::atomic<int> right{0}, moved{0};
  for (int i = 1; i <= 4; ++i) {
    all.add(1);
    go([&, i] {
      try {
        throw std::runtime_error(std::to_string(i));
      } catch (const std::runtime_error&) {
        const OnAnotherThread other;
        moved += other.left();
        try {
          throw;  // the innermost that is being handled: ours, or another goroutine's
        } catch (const std::runtime_error& again) {
          right += again.what() == std::to_string(i);
        }
      }
      right += std::current_exception() == nullptr;
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(moved, 4);
  EXPECT_EQ(right, 8);
}

// The second word: how many exceptions are on their way.
struct LeavesThread {
  std::atomic<int>* moved;
  std::atomic<int>* right;
  ~LeavesThread() {
    *right += std::uncaught_exceptions() == 1;
    const OnAnotherThread other;
    *moved += other.left();
    *right += std::uncaught_exceptions() == 1;
  }
};

TEST(NativeRules, count_of_uncaught_exceptions_goes_with_its_goroutine) {
  const Procs procs(4);
  WaitGroup all;
  std::atomic<int> right{0}, moved{0}, others{0};
  for (int i = 0; i < 4; ++i) {
    all.add(1);
    go([&] {
      try {
        const LeavesThread leaves{&moved, &right};
        throw 7;
      } catch (int) {
        right += std::uncaught_exceptions() == 0;
      }
      all.done();
    });
    all.add(1);
    go([&] {
      for (int k = 0; k < 50; ++k) {
        others += std::uncaught_exceptions();
        yield();
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(moved, 4);
  EXPECT_EQ(right, 12);
  EXPECT_EQ(others, 0);
}

thread_local int of_thread = 0;
[[gnu::noinline]] int& find_of_thread() {
  int* found = &of_thread;
  asm volatile("" : "+r"(found));
  return *found;
}

TEST(NativeRules, thread_local_stays_with_the_thread_and_go_local_with_the_goroutine) {
  static GoLocal<int> of_goroutine;
  const Procs procs(4);
  std::atomic<int> kept{0}, same_thread_variable{0}, moved{0};
  WaitGroup all;
  for (int i = 1; i <= 4; ++i) {
    all.add(1);
    go([&, i] {
      *of_goroutine = i;
      int* const before = &find_of_thread();
      const OnAnotherThread other;
      moved += other.left();
      kept += *of_goroutine == i;
      same_thread_variable += before == &find_of_thread();
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(moved, 4);
  EXPECT_EQ(kept, 4);
  EXPECT_EQ(same_thread_variable, 0);
}

TEST(NativeRules, thread_local_is_kept_by_a_goroutine_that_is_locked_to_its_thread) {
  const Procs procs(4);
  WaitGroup all;
  std::atomic<int> right{0};
  for (int i = 1; i <= 4; ++i) {
    all.add(1);
    go([&, i] {
      lock_os_thread();
      find_of_thread() = i;
      for (int k = 0; k < 100; ++k) yield();
      right += find_of_thread() == i;
      find_of_thread() = 0;
      unlock_os_thread();
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(right, 4);
}

// ---- locks of libc's ---------------------------------------------------------------------------

#ifndef REPRISE_SANITIZED  // interposition is compiled out there

// The holder yields with the lock held: a waiter that held its thread would, with one P, stop the only
// thread that could run the holder.
void hammer(std::mutex& m, int goroutines, int rounds, int64_t* counter) {
  WaitGroup all;
  for (int i = 0; i < goroutines; ++i) {
    all.add(1);
    go([&, rounds] {
      for (int k = 0; k < rounds; ++k) {
        const std::lock_guard lock(m);
        const int64_t seen = *counter;
        if (k % 4 == 0) yield();
        *counter = seen + 1;
      }
      all.done();
    });
  }
  all.wait();
}

TEST(NativeRules, std_mutex_between_goroutines_of_one_thread_parks) {
  const Procs procs(1);
  std::mutex m;
  int64_t counter = 0;
  hammer(m, 8, 200, &counter);
  EXPECT_EQ(counter, 8 * 200);
}

TEST(NativeRules, std_mutex_between_goroutines_of_several_threads_excludes) {
  const Procs procs(4);
  std::mutex m;
  int64_t counter = 0;
  hammer(m, 8, 2000, &counter);
  EXPECT_EQ(counter, 8 * 2000);
}

TEST(NativeRules, std_mutex_locked_on_one_thread_is_unlocked_on_another) {
  const Procs procs(4);
  on_a_goroutine([] {
    std::mutex m;
    m.lock();
    const OnAnotherThread other;
    EXPECT_TRUE(other.left());
    EXPECT_FALSE(m.try_lock());
    m.unlock();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

TEST(NativeRules, condition_variable_wakes_goroutines_of_several_threads) {
  for (const int n : {1, 4}) {
    const Procs procs(n);
    std::mutex m;
    std::condition_variable ready;
    int turn = 0;
    WaitGroup all;
    constexpr int kPlayers = 4, kRounds = 200;
    for (int i = 0; i < kPlayers; ++i) {
      all.add(1);
      go([&, i] {
        for (int k = 0; k < kRounds; ++k) {
          std::unique_lock lock(m);
          ready.wait(lock, [&] { return turn % kPlayers == i; });
          ++turn;
          ready.notify_all();
        }
        all.done();
      });
    }
    all.wait();
    EXPECT_EQ(turn, kPlayers * kRounds);
  }
}

// With one P a join that held the thread would keep the goroutine from running that ends the thread.
TEST(NativeRules, joining_a_thread_lets_other_goroutines_run) {
  const Procs procs(1);
  std::atomic<bool> go_on{false};
  std::thread thread([&] {
    while (!go_on.load()) std::this_thread::yield();
  });
  go([&] { go_on.store(true); });
  thread.join();
  EXPECT_TRUE(go_on.load());
}

TEST(NativeRules, recursive_mutex_belongs_to_the_goroutine_wherever_it_runs) {
  const Procs procs(4);
  on_a_goroutine([] {
    std::recursive_mutex m;
    m.lock();
    const OnAnotherThread other;
    EXPECT_TRUE(other.left());
    m.lock();  // still ours
    const Chan<bool> taken;
    go([&m, taken] { taken.send(m.try_lock()); });
    EXPECT_FALSE(*taken.recv());
    m.unlock();
    m.unlock();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
  });
}

// The inline part of std::call_once writes variables of the thread before and behind, by addresses that clang keeps. Without a
// thread of its own three calls in four move.
TEST(NativeRules, std_call_once_ends_on_the_thread_on_which_it_began) {
  const Procs procs(4);
  std::atomic<int> moved{0}, called{0};
  for (int round = 0; round < 50; ++round) {
    std::once_flag flag;
    WaitGroup all(4);
    for (int i = 0; i < 4; ++i) {
      go([&, all]() mutable {
        const long before = thread_id();
        std::call_once(flag, [&] {
          lock_os_thread();
          yield();
          unlock_os_thread();  // not the last one
          for (int k = 0; k < 20; ++k) yield();
          ++called;
        });
        moved += thread_id() != before;
        all.done();
      });
    }
    all.wait();
  }
  EXPECT_EQ(moved, 0);
  EXPECT_EQ(called, 50);
}

// An exception ends the stay too: the thread is others' again.
TEST(NativeRules, after_std_call_once_a_goroutine_may_go_on_on_another_thread) {
  const Procs procs(4);
  on_a_goroutine([] {
    std::once_flag flag;
    EXPECT_THROW(std::call_once(flag, [] { throw 1; }), int);
    std::call_once(flag, [] {});
    const OnAnotherThread other;
    EXPECT_TRUE(other.left());
  });
}

class PinningMutex : public testing::TestWithParam<const char*> {
 protected:
  PinningMutex() {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    if (std::string(GetParam()) == "robust") {
      pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    } else {
      pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    }
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex_, &attr);
    pthread_mutexattr_destroy(&attr);
  }
  ~PinningMutex() override { pthread_mutex_destroy(&mutex_); }

  pthread_mutex_t mutex_;
};

TEST_P(PinningMutex, holder_stays_on_its_thread_and_may_unlock) {
  const Procs procs(4);
  WaitGroup all;
  std::atomic<int> stayed{0}, unlocked{0};
  int64_t counter = 0;
  for (int i = 0; i < 4; ++i) {
    all.add(1);
    go([&] {
      for (int k = 0; k < 5; ++k) {
        if (pthread_mutex_lock(&mutex_) != 0) continue;
        const long mine = thread_id();
        const int64_t seen = counter;
        bool same = true;
        for (int n = 0; n < 20; ++n) {
          yield();
          same &= thread_id() == mine;
        }
        counter = seen + 1;
        stayed += same;
        unlocked += pthread_mutex_unlock(&mutex_) == 0;
      }
      all.done();
    });
  }
  all.wait();
  EXPECT_EQ(stayed, 20);
  EXPECT_EQ(unlocked, 20);
  EXPECT_EQ(counter, 20);
}

INSTANTIATE_TEST_SUITE_P(NativeRules, PinningMutex, testing::Values("robust", "inheriting"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(NativeRules, who_holds_a_file_is_not_interrupted) {
  const Procs one(1);
  std::FILE* const file = std::fopen("/dev/null", "w");
  ASSERT_NE(file, nullptr);
  WaitGroup both;
  both.add(2);
  const Chan<Unit> locked(1);
  go([&, both]() mutable {
    flockfile(file);
    locked.send({});
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(60);  // several slices
    while (std::chrono::steady_clock::now() < until) {
      for (int i = 0; i < 100'000; ++i) asm volatile("" : "+r"(i));
    }
    funlockfile(file);
    both.done();
  });
  go([&, both]() mutable {
    locked.recv();
    std::fprintf(file, "after the other\n");
    both.done();
  });
  both.wait();
  std::fclose(file);
}

TEST(NativeRules, atomic_wait_parks) {
  for (const int n : {1, 4}) {
    const Procs procs(n);
    std::atomic<int> ball{0};
    WaitGroup all(2);
    for (const int side : {0, 1}) {
      go([&, side] {
        for (int k = 0; k < 500; ++k) {
          while (ball.load() % 2 != side) ball.wait(1 - side);
          ball.store(1 - side);
          ball.notify_all();
        }
        all.done();
      });
    }
    all.wait();
    EXPECT_EQ(ball.load(), 0);
  }
}

#endif  // REPRISE_SANITIZED

std::atomic<int> initialised{0};
int slow_value() {
  ++initialised;
  for (int i = 0; i < 50; ++i) yield();
  return 42;
}
int shared_value() {
  static const int value = slow_value();
  return value;
}

TEST(NativeRules, static_initialised_by_many_threads_at_once_is_initialised_once) {
  const Procs procs(4);
  std::atomic<int> right{0};
  WaitGroup all;
  for (int i = 0; i < 16; ++i) {
    all.add(1);
    go([&] {
      right += shared_value() == 42;
      all.done();
    });
  }
  while (initialised == 0) yield();  // not by the thread, which cannot yield
  std::thread thread([&] { right += shared_value() == 42; });
  thread.join();
  all.wait();
  EXPECT_EQ(initialised, 1);
  EXPECT_EQ(right, 17);
}

// ---- signal masks --------------------------------------------------------------------------------

bool blocked(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return sigismember(&now, signal) == 1;
}

TEST(NativeRules, signal_mask_of_a_locked_goroutine_is_its_threads_alone) {
  const Procs procs(4);
  WaitGroup inner, all(1);
  std::atomic<int> blocked_here{0}, blocked_elsewhere{0};
  go([&] {
    lock_os_thread();
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
    // Threads made now, by this thread or on behalf of goroutines that it started.
    for (int i = 0; i < 8; ++i) {
      inner.add(1);
      go([&] {
        lock_os_thread();
        blocked_elsewhere += blocked(SIGUSR1);
        for (int k = 0; k < 20; ++k) yield();
        blocked_elsewhere += blocked(SIGUSR1);
        unlock_os_thread();
        inner.done();
      });
      yield();
      blocked_here += blocked(SIGUSR1);
    }
    inner.wait();
    pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
    unlock_os_thread();
    all.done();
  });
  all.wait();
  EXPECT_EQ(blocked_here, 8);
  EXPECT_EQ(blocked_elsewhere, 0);
}

}  // namespace
}  // namespace reprise
