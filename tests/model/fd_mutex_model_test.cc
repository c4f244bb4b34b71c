// runtime/poll/fd_mutex_word.h itself, explored; the semaphores are lists of the test's.
//
// The claims, in every final state: what a lock guards is touched by one at a time; the descriptor is destroyed once,
// when it is closed and nobody uses it any more, by one who sees all that was done with it; nobody sleeps for
// ever, and no wake-up is left over.
#include <gtest/gtest.h>

#include <deque>

#include "runtime/poll/fd_mutex_word.h"
#include "tests/model/parking_types.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

enum class Flaw {
  none,
  close_wakes_nobody,
  unlock_leaves_count,    // wakes a waiter, and leaves it counted
  unlock_stores,          // a load and a store instead of an exchange
  wakes_before_unlock,    // the waiter finds the lock taken, and nobody wakes it again
  decref_looks_twice,     // whether it was the last is asked after the exchange
};

// FdSemaphore, with the test's goroutines.
struct Semaphore {
  Lock lock;
  int count = 0;                     // lock
  std::deque<Goroutine*> waiters;    // lock

  void acquire(Goroutine* gp) {
    lock.lock();
    const bool have = count > 0;
    if (have) --count;
    if (!have) waiters.push_back(gp);
    lock.unlock();
    if (!have) gp->park([] { return true; });
  }
  void release() {
    lock.lock();
    Goroutine* gp = nullptr;
    if (waiters.empty()) {
      ++count;
    } else {
      gp = waiters.front();
      waiters.pop_front();
    }
    lock.unlock();
    if (gp != nullptr) gp->ready();
  }
};

template <class Orders>
struct Descriptor {
  const Flaw flaw;
  Atomic<uint64_t, Orders> word;
  Semaphore semaphores[2];
  Plain<int> used = 0;       // by whoever has the read lock
  Plain<int> file = 1;       // read by each operation, written by the one that destroys it
  Plain<int> destroyed = 0;
  Goroutine goroutines[kMaxThreads];

  explicit Descriptor(Flaw with) : flaw(with) {
    word.named("word");
    used.named("what the lock guards");
    file.named("the file");
  }

  bool lock() {
    return rt::fd_word_lock(word, true, [this] { semaphores[1].acquire(&goroutines[self()]); });
  }
  bool unlock() {
    if (flaw == Flaw::none) return rt::fd_word_unlock(word, true, [this] { semaphores[1].release(); });
    return unlock_with_flaw();
  }
  bool unlock_with_flaw() {
    constexpr auto side = rt::fd_side(true);
    uint64_t old = word.load(Order::acquire);
    if (flaw == Flaw::wakes_before_unlock && (old & side.mask)) semaphores[1].release();
    for (;;) {
      uint64_t next = (old & ~side.bit) - rt::kFdRef;
      if ((old & side.mask) && flaw != Flaw::unlock_leaves_count) next -= side.wait;
      if (flaw == Flaw::unlock_stores) {
        word.store(next, Order::release);
      } else if (!word.compare_exchange_strong(old, next, Order::acq_rel, Order::acquire)) {
        continue;
      }
      if ((old & side.mask) && flaw != Flaw::wakes_before_unlock) semaphores[1].release();
      return (next & (rt::kFdClosed | rt::kFdRefMask)) == rt::kFdClosed;
    }
  }
  bool close() {
    return rt::fd_word_incref_and_close(word, [this](bool read) {
      if (flaw != Flaw::close_wakes_nobody) semaphores[read].release();
    });
  }
  bool decref() {
    if (flaw != Flaw::decref_looks_twice) return rt::fd_word_decref(word);
    word.fetch_sub(rt::kFdRef, Order::acq_rel);
    return (word.load(Order::acquire) & (rt::kFdClosed | rt::kFdRefMask)) == rt::kFdClosed;
  }

  void destroy_if(bool last) {
    if (!last) return;
    file = 0;
    destroyed = destroyed + 1;
  }
  void check_open() { check(file == 1, "the descriptor is used after its end"); }

  // ---- what goroutines do ----
  void read() {
    if (!lock()) return;
    check_open();
    used = used + 1;
    destroy_if(unlock());
  }
  void use() {
    if (!rt::fd_word_incref(word)) return;
    check_open();
    destroy_if(decref());
  }
  void close_and_leave() {
    if (close()) destroy_if(decref());
  }

  void finished(bool closed) {
    check(destroyed == (closed ? 1 : 0), "destroyed once if closed, else never");
    check((word.load(Order::relaxed) & ~rt::kFdClosed) == 0, "a lock, a reference or a waiter is left");
    for (const Semaphore& s : semaphores) check(s.count == 0 && s.waiters.empty(), "a wake-up is left over");
  }
};

enum class Does { read, use, close };

template <class Orders = AsWritten>
Program together(std::initializer_list<Does> threads, Flaw flaw = Flaw::none) {
  return [all = std::vector<Does>(threads), flaw](Scene& scene) {
    auto* d = scene.make<Descriptor<Orders>>(flaw);
    bool closed = false;
    for (const Does does : all) {
      closed = closed || does == Does::close;
      scene.thread([d, does] {
        if (does == Does::read) d->read();
        if (does == Does::use) d->use();
        if (does == Does::close) d->close_and_leave();
      });
    }
    scene.finally([d, closed] { d->finished(closed); });
  };
}

constexpr Does kRead = Does::read, kUse = Does::use, kClose = Does::close;

TEST(FdMutexModel, three_readers_exclude_each_other_and_all_come_through) { verify(together({kRead, kRead, kRead})); }
TEST(FdMutexModel, a_close_while_two_read_destroys_once_and_wakes_who_waits) { verify(together({kRead, kRead, kClose})); }
TEST(FdMutexModel, the_last_of_two_who_use_it_destroys_what_was_closed) { verify(together({kUse, kUse, kClose})); }
TEST(FdMutexModel, one_of_two_who_close_does) { verify(together({kRead, kClose, kClose})); }
TEST(FdMutexModel, exchanges_may_fail_idly) {
  Options options;
  options.spurious = 1;
  verify(together({kRead, kClose}), options);
}

TEST(FdMutexMutant, a_close_that_wakes_nobody_is_found) {
  finds("deadlock", together({kRead, kRead, kClose}, Flaw::close_wakes_nobody));
}
TEST(FdMutexMutant, an_unlock_that_leaves_its_waiter_counted_is_found) {
  finds("left", together({kRead, kRead}, Flaw::unlock_leaves_count));
}
TEST(FdMutexMutant, an_unlock_by_load_and_store_is_found) {
  finds("", together({kRead, kRead}, Flaw::unlock_stores));
}
TEST(FdMutexMutant, an_unlock_that_wakes_before_it_lets_go_is_found) {
  finds("", together({kRead, kRead, kRead}, Flaw::wakes_before_unlock));
}
TEST(FdMutexMutant, a_last_reference_that_is_asked_for_later_is_found) {
  finds("", together({kUse, kClose}, Flaw::decref_looks_twice));
}
TEST(FdMutexMutant, a_word_without_orders_is_found) {
  finds("race", together<AllRelaxed>({kUse, kClose}));
}

}  // namespace
}  // namespace reprise::model
