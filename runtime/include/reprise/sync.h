// Locks and meeting points for goroutines: Mutex, RWMutex, WaitGroup, Cond, Once.
//
// All of them park the goroutine, never its thread, and every operation is a scheduling point.
// Semantics and texts of failures are those of Go's package sync. Mutex and RWMutex meet the
// standard's Lockable requirements, so std::lock_guard, std::unique_lock and std::shared_lock work.
//
// Thread safety: any goroutine may call anything. Ownership: Mutex, RWMutex, Cond and Once are
// plain members, neither copyable nor movable, usable from static storage; WaitGroup is a shared
// reference, copy it into goroutines. Destroying one that somebody waits on is undefined, except
// WaitGroup, whose waiters hold references.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <reprise/detail/seam_hook.h>

namespace reprise::rt {
struct Sudog;
}

namespace reprise {

// Mutual exclusion with two modes of operation. Normal: a woken waiter competes with newcomers,
// which are already running and mostly win. If a waiter fails for a millisecond it turns the mutex
// to starvation mode: ownership goes straight to the first in line, newcomers queue behind, until
// a waiter finds itself the last or served within a millisecond.
class Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Blocks the goroutine until the mutex is free.
  void lock() {
    int32_t seen = 0;
    if (rt::slow_path_wanted() ||
        !state_.compare_exchange_strong(seen, kLocked, std::memory_order_acquire, std::memory_order_relaxed)) {
      lock_announced(seen);
    }
  }
  bool try_lock();  // never blocks
  // Any goroutine may. Fatal error if not locked.
  void unlock() {
    if (rt::slow_path_wanted()) return unlock_announced();
    unlock_quietly();
  }

 private:
  friend class RWMutex;
  static constexpr int32_t kLocked = 1;

  void lock_announced(int32_t seen);
  void unlock_announced();
  void lock_quietly();
  void unlock_quietly() {
    const int32_t state = state_.fetch_sub(kLocked, std::memory_order_release) - kLocked;
    if (state != 0) unlock_slow(state);
  }
  void lock_slow(int32_t old);
  void unlock_slow(int32_t state);

  std::atomic<int32_t> state_{0};
  std::atomic<uint32_t> sema_{0};
  rt::ObjectName name_;
};

// Many readers or one writer. A waiting writer keeps new readers out, so do not lock for reading
// twice in one goroutine.
class RWMutex {
 public:
  constexpr RWMutex() = default;
  RWMutex(const RWMutex&) = delete;
  RWMutex& operator=(const RWMutex&) = delete;

  void lock();
  bool try_lock();
  void unlock();  // fatal error if not locked for writing

  void rlock() {
    if (rt::slow_path_wanted()) return rlock_announced();
    if (reader_count_.fetch_add(1, std::memory_order_acq_rel) + 1 < 0) rlock_slow();
  }
  bool try_rlock();
  // Fatal error if not locked for reading.
  void runlock() {
    if (rt::slow_path_wanted()) return runlock_announced();
    runlock_quietly();
  }

  void lock_shared() { rlock(); }
  bool try_lock_shared() { return try_rlock(); }
  void unlock_shared() { runlock(); }

  // The readers' side as a lock of its own, for what takes any lock: Cond, std::scoped_lock.
  class RLocker {
   public:
    explicit RLocker(RWMutex& mutex) : mutex_(&mutex) {}
    void lock() { mutex_->rlock(); }
    bool try_lock() { return mutex_->try_rlock(); }
    void unlock() { mutex_->runlock(); }

   private:
    RWMutex* mutex_;
  };
  RLocker rlocker() { return RLocker(*this); }

 private:
  void rlock_announced();
  void rlock_slow();
  void runlock_announced();
  void runlock_quietly() {
    const int32_t readers = reader_count_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    if (readers < 0) runlock_slow(readers);
  }
  void runlock_slow(int32_t readers);

  Mutex w_;  // held by writers
  std::atomic<uint32_t> writer_sem_{0};
  std::atomic<uint32_t> reader_sem_{0};
  std::atomic<int32_t> reader_count_{0};  // minus kMaxReaders while a writer waits or writes
  std::atomic<int32_t> reader_wait_{0};   // readers that the writer still waits for
  rt::ObjectName name_;
};

namespace detail {

// What the handles of a WaitGroup share (runtime/sync/wait_group.cc).
struct WaitGroupState {
  std::atomic<uint64_t> word{0};  // the counter in the upper half, the number of waiters in the lower
  std::atomic<uint32_t> sema{0};
  std::atomic<uint32_t> refs{1};
  rt::ObjectName name;
};

}  // namespace detail

// Waits for a number of things to happen. A shared reference.
class WaitGroup {
 public:
  WaitGroup();
  explicit WaitGroup(int64_t n) : WaitGroup() { add(n); }
  WaitGroup(const WaitGroup& other);
  WaitGroup(WaitGroup&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  WaitGroup& operator=(WaitGroup other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~WaitGroup();

  // Panics if the counter drops below zero. Adding to a counter of zero must not race with wait().
  void add(int64_t delta = 1) {
    if (rt::slow_path_wanted() || delta > INT32_MAX || delta < INT32_MIN) return add_announced(delta);
    add_quietly(delta);
  }
  void done() { add(-1); }
  // Blocks the goroutine until the counter is zero. Panics if the group is used again before the
  // previous wait() has returned.
  void wait() {
    if (rt::slow_path_wanted()) return wait_announced();
    if (counter_of(state_->word.load(std::memory_order_acquire)) != 0) wait_slow();
  }

 private:
  using State = detail::WaitGroupState;

  static int32_t counter_of(uint64_t word) { return static_cast<int32_t>(word >> 32); }
  static uint32_t waiters_of(uint64_t word) { return static_cast<uint32_t>(word); }

  void add_announced(int64_t delta);
  // Once the counter is zero the handle may go, and with it the state: unless somebody waits, neither is touched again.
  void add_quietly(int64_t delta) {
    State* const state = state_;
    const uint64_t step = static_cast<uint64_t>(delta) << 32;
    const uint64_t word = state->word.fetch_add(step, std::memory_order_acq_rel) + step;
    const bool negative = counter_of(word) < 0;
    const bool awaited = waiters_of(word) != 0 && (counter_of(word) == 0 || counter_of(word) == delta);
    if (__builtin_expect(negative || awaited, 0)) add_slow(state, delta, word);
  }
  static void add_slow(State* state, int64_t delta, uint64_t word);
  void wait_announced();
  void wait_slow();

  State* state_;
};

// The untyped part of Cond: who waits, in order of arrival.
class CondQueue {
 public:
  // One wait, in the frame of the goroutine that waits.
  struct Waiter {
    alignas(8) unsigned char storage[160];
  };

  constexpr CondQueue() = default;
  CondQueue(const CondQueue&) = delete;
  CondQueue& operator=(const CondQueue&) = delete;

  void enqueue(Waiter& waiter);   // from here on a notify may choose it
  void wait(Waiter& waiter);      // blocks the goroutine until it was chosen
  void withdraw(Waiter& waiter);  // instead of wait()
  void notify_one();
  void notify_all();

 private:
  rt::Sudog* first_ = nullptr;
  rt::Sudog* last_ = nullptr;
  rt::ObjectName name_;
};

// A place to wait for a condition, guarded by a lock of type L with lock() and unlock().
// wait() releases the lock while it waits and holds it again when it returns. Somebody else may
// have been faster, so check the condition in a loop, or pass it to wait().
template <class L = Mutex>
class Cond {
 public:
  explicit constexpr Cond(L& lock) : lock_(&lock) {}

  // REQUIRES: the lock is held by the caller.
  void wait() {
    CondQueue::Waiter waiter;
    queue_.enqueue(waiter);
    try {
      lock_->unlock();
    } catch (...) {
      queue_.withdraw(waiter);
      throw;
    }
    queue_.wait(waiter);
    lock_->lock();
  }
  template <class Predicate>
  void wait(Predicate ready) {
    while (!ready()) wait();
  }
  void signal() { queue_.notify_one(); }     // wakes one waiter, if any
  void broadcast() { queue_.notify_all(); }  // wakes all

 private:
  L* lock_;
  CondQueue queue_;
};
template <class L>
Cond(L&) -> Cond<L>;

// Runs a function once, however many call. Whoever calls meanwhile waits until it is done. A
// function that throws counts as done, and the exception goes to the one that ran it.
class Once {
 public:
  constexpr Once() = default;

  template <class F>
  void call(F&& f) {
    rt::point(rt::PointKind::once, name_);
    // Acquire, with the release below: who sees it done sees what f did.
    if (done_.load(std::memory_order_acquire)) return;
    call_slow(std::forward<F>(f));
  }

 private:
  struct Finish {
    Once* once;
    ~Finish() {
      once->done_.store(true, std::memory_order_release);
      once->mutex_.unlock();
    }
  };
  template <class F>
  void call_slow(F&& f) {
    mutex_.lock();
    if (done_.load(std::memory_order_relaxed)) {  // relaxed: under the mutex
      mutex_.unlock();
      return;
    }
    Finish finish{this};
    std::forward<F>(f)();
  }

  std::atomic<bool> done_{false};
  Mutex mutex_;
  rt::ObjectName name_;
};

}  // namespace reprise
