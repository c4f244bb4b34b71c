// The words that threads and goroutines sleep on, explored: runtime/sched/lock_word.h (rt::Lock),
// runtime/sched/note_word.h (where Ms sleep), runtime/sched/sema_protocol.h, runtime/poll/poll_word.h, each as it stands.
//
// Claims in every behaviour: nobody sleeps for ever, nobody is woken twice for one sleep, and what a
// lock or a token protects is free of races.
#include <gtest/gtest.h>

#include <vector>

#include "runtime/poll/poll_word.h"
#include "runtime/sched/lock_word.h"
#include "runtime/sched/note_word.h"
#include "runtime/sched/sema_protocol.h"
#include "tests/model/parking_types.h"
#include "tests/model/verify.h"

namespace reprise::model {
namespace {

// ---- rt::Lock --------------------------------------------------------------------------------------

struct Kernel {
  static constexpr int kSpins = 1;
  void pause() {}
  void wait(Atomic<uint32_t>& word, uint32_t value) { futex_wait(word, value); }
  void wake(Atomic<uint32_t>& word) { futex_wake(word, 1); }
};

// lock_word_slow that takes the lock as 1 after it has slept: others may still sleep.
void lock_forgetting_sleepers(Atomic<uint32_t>& word, Kernel& kernel) {
  for (;;) {
    uint32_t seen = 0;
    if (word.compare_exchange_strong(seen, 1, Order::acquire, Order::relaxed)) return;
    if (seen == 1 && !word.compare_exchange_strong(seen, 2, Order::relaxed, Order::relaxed)) continue;
    kernel.wait(word, 2);
  }
}

struct Locked {
  Atomic<uint32_t> word;
  Plain<int> counter = 0;
  Kernel kernel;
  Locked() {
    word.named("lock");
    counter.named("what the lock guards");
  }
};

template <class Lock>
Program contended(int threads, Lock lock) {
  return [threads, lock](Scene& scene) {
    auto* s = scene.make<Locked>();
    for (int i = 0; i < threads; ++i) {
      scene.thread([s, lock] {
        lock(s->word, s->kernel);
        s->counter = s->counter + 1;
        check(rt::unlock_word(s->word, s->kernel), "unlock of unlocked runtime lock");
      });
    }
    scene.finally([s, threads] {
      check(s->counter == threads, "an increment was lost");
      check(s->word.load() == 0, "the lock is held at the end");
    });
  };
}

void lock_as_written(Atomic<uint32_t>& word, Kernel& kernel) { rt::lock_word(word, kernel); }

TEST(LockModel, two_threads_exclude_each_other_and_both_come_through) {
  verify(contended(2, lock_as_written));
}

TEST(LockModel, the_kernel_may_wake_for_no_reason_and_exchanges_may_fail_idly) {
  Options options;
  options.spurious = 2;
  verify(contended(2, lock_as_written), options);
}

TEST(LockModel, three_threads_come_through) {
  verify(contended(3, lock_as_written));
}

TEST(LockMutant, a_sleeper_that_takes_the_lock_as_uncontended_is_found) {
  finds("deadlock", contended(3, lock_forgetting_sleepers));
}

// ---- notes -----------------------------------------------------------------------------------------

// Two Ms that give each other something, in turn, each asleep until it is its turn.
struct Pair {
  Atomic<uint32_t> note[2];
  Plain<int> handed = 0;
  Kernel kernel;
  Pair() {
    note[0].named("note0");
    note[1].named("note1");
    handed.named("what is handed over");
  }
};

template <class Sleep>
Program taking_turns(Sleep sleep) {
  return [sleep](Scene& scene) {
    auto* s = scene.make<Pair>();
    scene.thread([s, sleep] {
      for (int round = 0; round < 2; ++round) {
        s->handed = s->handed + 1;
        rt::note_word_wakeup(s->note[1], s->kernel);
        sleep(s->note[0], s->kernel);
      }
    });
    scene.thread([s, sleep] {
      for (int round = 0; round < 2; ++round) {
        sleep(s->note[1], s->kernel);
        s->handed = s->handed + 1;
        rt::note_word_wakeup(s->note[0], s->kernel);
      }
    });
    scene.finally([s] { check(s->handed == 4, "a turn was lost"); });
  };
}

void sleep_as_written(Atomic<uint32_t>& word, Kernel& kernel) { rt::note_word_sleep(word, kernel); }

// What a caller of note_sleep_for does that must be woken: again and again.
void sleep_with_limit(Atomic<uint32_t>& word, Kernel& kernel) {
  while (!rt::note_word_sleep_once(word, kernel)) {
  }
}

// Announces by a store: a note that was set just before is overwritten.
void sleep_overwriting(Atomic<uint32_t>& word, Kernel& kernel) {
  if (word.load(Order::acquire) == rt::kNoteSet) return word.store(rt::kNoteClear, Order::relaxed);
  word.store(rt::kNoteSleeping, Order::relaxed);
  while (word.load(Order::acquire) == rt::kNoteSleeping) kernel.wait(word, rt::kNoteSleeping);
  word.store(rt::kNoteClear, Order::relaxed);
}

TEST(NoteModel, every_sleep_ends_by_its_wake_up) { verify(taking_turns(sleep_as_written)); }

TEST(NoteModel, a_sleep_with_a_limit_loses_no_wake_up) {
  Options options;
  options.spurious = 2;  // the limit has passed
  verify(taking_turns(sleep_with_limit), options);
  verify(taking_turns(sleep_as_written), options);
}

TEST(NoteMutant, a_sleeper_that_announces_itself_by_a_store_is_found) {
  finds("deadlock", taking_turns(sleep_overwriting));
}

// ---- semaphores ------------------------------------------------------------------------------------

struct Waiter {
  Goroutine* g = nullptr;
  bool handed_off = false;
};

template <class NwaitOrders = AsWritten>
struct Root {
  Lock lock;
  Atomic<uint32_t, NwaitOrders> nwait;
  std::vector<Waiter*> waiters;  // lock
  void queue(Waiter* w, bool lifo) {
    waiters.insert(lifo ? waiters.begin() : waiters.end(), w);
  }
  Waiter* dequeue(const void*) {
    if (waiters.empty()) return nullptr;
    Waiter* w = waiters.front();
    waiters.erase(waiters.begin());
    return w;
  }
};

template <class TheRoot>
struct Sema {
  TheRoot root;
  Atomic<uint32_t> tokens;
  Plain<int> guarded = 0;
  Goroutine g[2];
  Waiter waiters[2];
  Sema() {
    tokens.named("tokens");
    root.nwait.named("nwait");
    guarded.named("what the token guards");
  }
  void acquire(int i, bool lifo = false) {
    if (rt::cansemacquire(&tokens)) return;
    waiters[i].g = &g[i];
    rt::semacquire_on(root, &tokens, &waiters[i], lifo, [&] {
      g[i].park([&] {
        root.lock.unlock();
        return true;
      });
    });
  }
  void release(bool handoff) {
    const auto woken = rt::semrelease_on(root, &tokens, handoff);
    if (woken.gp != nullptr) woken.gp->ready();
  }
};

// Two acquire, a third gives two tokens.
template <class TheRoot>
Program tokens_for_two(bool handoff) {
  return [handoff](Scene& scene) {
    auto* s = scene.make<Sema<TheRoot>>();
    for (int i = 0; i < 2; ++i) scene.thread([s, i] { s->acquire(i); });
    scene.thread([s, handoff] {
      s->release(handoff);
      s->release(handoff);
    });
    scene.finally([s] { check(s->tokens.load() == 0, "a token is left"); });
  };
}

// One token that goes round, as a mutex.
Program as_a_mutex(bool handoff) {
  return [handoff](Scene& scene) {
    auto* s = scene.make<Sema<Root<>>>();
    s->tokens.store(1);
    for (int i = 0; i < 2; ++i) {
      scene.thread([s, i, handoff] {
        s->acquire(i, i == 1);
        s->guarded = s->guarded + 1;
        s->release(handoff);
      });
    }
    scene.finally([s] {
      check(s->guarded == 2, "an increment was lost");
      check(s->tokens.load() == 1, "the token is gone");
    });
  };
}

TEST(SemaModel, every_waiter_gets_a_token_that_was_given) {
  verify(tokens_for_two<Root<>>(false));
  verify(tokens_for_two<Root<>>(true));
}

TEST(SemaModel, one_token_excludes) {
  verify(as_a_mutex(false));
  verify(as_a_mutex(true));
}

TEST(SemaMutant, a_count_of_waiters_without_sequential_order_is_found) {
  finds("deadlock", tokens_for_two<Root<AllRelaxed>>(false));
}

// ---- netpoll's words -------------------------------------------------------------------------------

template <class StateOrders = AsWritten>
struct Descriptor {
  Atomic<uintptr_t> rg{rt::pdNil};
  Atomic<int> data;                       // what the kernel has for us
  Atomic<bool, StateOrders> closing{false};
  Atomic<int64_t> rd{0};
  Lock lock;
  Goroutine g;

  Descriptor() {
    rg.named("rg");
    data.named("data");
    closing.named("closing");
    rd.named("rd");
    name_pointer(&g, "G");
  }

  // FD's loop (fd.cc): reset, try, wait. Returns whether there was data.
  template <class MayPark>
  bool read(MayPark may_park) {
    for (;;) {
      if (stopped()) return false;
      rg.store(rt::pdNil);  // pollReset
      if (data.load() != 0) return true;
      while (!wait(may_park)) {
        if (stopped()) return false;
      }
    }
  }
  bool read() {
    return read([this] { return !stopped(); });
  }
  bool stopped() { return closing.load() || rd.load() < 0; }
  template <class MayPark>
  bool wait(MayPark may_park) {
    return rt::poll_word_wait(rg, may_park, [this] {
      g.park([this] { return rt::poll_word_park(rg, g.word()); });
    });
  }
  static void ready(uintptr_t waiter) {
    if (waiter != 0) reinterpret_cast<Goroutine*>(waiter)->ready();
  }
  void arrive() {
    data.store(1);
    ready(rt::poll_word_take(rg, true));  // netpollready
  }
  void close() {  // pollUnblock
    lock.lock();
    closing.exchange(true);
    const uintptr_t waiter = rt::poll_word_take(rg, false);
    lock.unlock();
    ready(waiter);
  }
  void time_out() {  // deadline_passed
    lock.lock();
    rd.store(-1);
    const uintptr_t waiter = rt::poll_word_take(rg, false);
    lock.unlock();
    ready(waiter);
  }
};

template <class D = Descriptor<>>
Program reads_while(std::vector<void (D::*)()> events, bool ends_with_data) {
  return [events, ends_with_data](Scene& scene) {
    auto* d = scene.make<D>();
    scene.thread([d, ends_with_data] {
      const bool got = d->read();
      check(got || !ends_with_data, "read ended without data, and nothing stopped it");
    });
    for (auto event : events) scene.thread([d, event] { (d->*event)(); });
  };
}

using Plainly = Descriptor<>;

TEST(PollModel, data_wakes_the_reader) { verify(reads_while({&Plainly::arrive}, true)); }
TEST(PollModel, a_close_wakes_the_reader) { verify(reads_while({&Plainly::close}, false)); }
TEST(PollModel, a_deadline_wakes_the_reader) { verify(reads_while({&Plainly::time_out}, false)); }
TEST(PollModel, data_and_close_wake_the_reader_once) {
  verify(reads_while({&Plainly::arrive, &Plainly::close}, false));
}
TEST(PollModel, deadline_and_close_wake_the_reader_once) {
  verify(reads_while({&Plainly::time_out, &Plainly::close}, false));
}
TEST(PollModel, data_twice_wakes_the_reader_once) {
  verify(reads_while({&Plainly::arrive, &Plainly::arrive}, true));
}

TEST(PollMutant, a_reader_that_does_not_look_again_after_its_announcement_is_found) {
  finds("deadlock", [](Scene& scene) {
    auto* d = scene.make<Plainly>();
    scene.thread([d] { d->read([] { return true; }); });
    scene.thread([d] { d->close(); });
  });
}

TEST(PollMutant, a_close_published_without_sequential_order_is_found) {
  using Weak = Descriptor<AllRelaxed>;
  finds("deadlock", reads_while<Weak>({&Weak::close}, false));
}

TEST(PollMutant, a_waiter_taken_by_load_and_store_is_found) {
  finds("deadlock", [](Scene& scene) {
    auto* d = scene.make<Plainly>();
    scene.thread([d] { d->read(); });
    for (int i = 0; i < 2; ++i) {
      scene.thread([d] {
        d->data.store(1);
        const uintptr_t old = d->rg.load();
        d->rg.store(rt::pdReady);
        if (old > rt::pdWait) Plainly::ready(old);
      });
    }
  });
}

}  // namespace
}  // namespace reprise::model
