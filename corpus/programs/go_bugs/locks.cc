// Bugs with locks.
#include <reprise/go.h>
#include <reprise/semaphore.h>
#include <reprise/sync.h>

#include <memory>
#include <mutex>
#include <shared_mutex>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using kernels::Racy;
using kernels::require;
using kernels::Threads;
using reprise::Mutex;
using reprise::RWMutex;

// A callback takes the lock that its caller holds, if the value has changed meanwhile.
void double_lock(bool fixed) {
  struct Cache {
    Mutex lock;
    Racy<int> value{0};
    void refresh() {
      const std::lock_guard hold(lock);
      value.write(value.read() + 1);
    }
  } cache;
  Threads threads;
  threads.start([&] { cache.refresh(); });
  threads.start([&, fixed] {
    std::unique_lock hold(cache.lock);
    const bool stale = cache.value.read() == 0;
    if (fixed) hold.unlock();
    if (stale) cache.refresh();
  });
}

// Two accounts, locked in the order of the transfer.
void lock_order(bool fixed) {
  struct Account {
    Mutex lock;
    Racy<int> money{10};
  } a, b;
  const auto transfer = [fixed, &a](Account& from, Account& to) {
    Account& first = fixed ? a : from;
    Account& second = &first == &from ? to : from;
    const std::lock_guard outer(first.lock);
    const std::lock_guard inner(second.lock);
    from.money.write(from.money.read() - 1);
    to.money.write(to.money.read() + 1);
  };
  Threads threads;
  threads.start([&] { transfer(a, b); });
  threads.start([&] { transfer(b, a); });
}

// Three locks in a ring: no two goroutines are in each other's way, all three are.
void lock_ring(bool fixed) {
  Mutex forks[3];
  Threads threads;
  for (int i = 0; i < 3; ++i) {
    threads.start([&forks, fixed, i] {
      const bool turned = fixed && i == 2;
      const std::lock_guard first(forks[turned ? 0 : i]);
      const std::lock_guard second(forks[turned ? 2 : (i + 1) % 3]);
    });
  }
}

// A reader reads again while a writer waits: the writer keeps the second read out.
void rwmutex_recursion(bool fixed) {
  RWMutex lock;
  Racy<int> value{0};
  Threads threads;
  threads.start([&, fixed] {
    const std::shared_lock outer(lock);
    if (fixed) return void(value.read());
    const std::shared_lock inner(lock);
    value.read();
  });
  threads.start([&] {
    const std::lock_guard hold(lock);
    value.write(1);
  });
}

// A reader that becomes a writer without letting go first; two of them wait for each other.
void rwmutex_upgrade(bool fixed) {
  RWMutex lock;
  Racy<int> value{0};
  Threads threads;
  threads.start([&, fixed] {
    lock.rlock();
    const bool empty = value.read() == 0;
    if (fixed || !empty) lock.runlock();
    if (!empty) return;
    lock.lock();
    value.write(1);
    lock.unlock();
    if (!fixed) lock.runlock();
  });
  threads.start([&] {
    const std::lock_guard hold(lock);
    value.write(1);
  });
}

// An early return without unlocking.
void forgotten_unlock(bool fixed) {
  Mutex lock;
  Racy<bool> closed{false};
  Threads threads;
  threads.start([&] {
    const std::lock_guard hold(lock);
    closed.write(true);
  });
  threads.start([&, fixed] {
    lock.lock();
    if (closed.read()) {
      if (fixed) lock.unlock();
      return;
    }
    lock.unlock();
  });
  threads.start([&] { const std::lock_guard hold(lock); });
}

// The value is checked under the lock and used under it, but not under the same hold.
void check_then_act(bool fixed) {
  Mutex lock;
  Racy<int> places{1};
  const auto book = [&, fixed] {
    std::unique_lock hold(lock);
    if (places.read() == 0) return;
    if (!fixed) {
      hold.unlock();
      hold.lock();
    }
    require(places.read() > 0, "check_then_act: booked twice");
    places.write(places.read() - 1);
  };
  Threads threads;
  threads.start(book);
  threads.start(book);
}

// A counter without a lock.
void lost_update(bool fixed) {
  Mutex lock;
  Racy<int> count{0};
  {
    Threads threads;
    for (int i = 0; i < 3; ++i) {
      threads.start([&, fixed] {
        std::unique_lock hold(lock, std::defer_lock);
        if (fixed) hold.lock();
        count.write(count.read() + 1);
      });
    }
  }
  require(count.read() == 3, "lost_update: an increment was lost");
}

// Initialised twice, because the test is made without the lock.
void double_checked(bool fixed) {
  Mutex lock;
  Racy<bool> ready{false};
  Racy<int> value{0}, seen{1};
  const auto use = [&, fixed] {
    std::unique_lock hold(lock, std::defer_lock);
    if (fixed) hold.lock();
    if (!ready.read()) {
      if (!fixed) hold.lock();
      ready.write(true);  // before the value is there
      value.write(42);
      hold.unlock();
      return;
    }
    require(value.read() == 42, "double_checked: not initialised");
  };
  Threads threads;
  threads.start(use);
  threads.start(use);
}

constexpr Bug kBugs[] = {
    {"double_lock", double_lock},           {"lock_order", lock_order},
    {"lock_ring", lock_ring},               {"rwmutex_recursion", rwmutex_recursion},
    {"rwmutex_upgrade", rwmutex_upgrade},   {"forgotten_unlock", forgotten_unlock},
    {"check_then_act", check_then_act},     {"lost_update", lost_update},
    {"double_checked", double_checked},
};

}  // namespace

std::span<const Bug> locks() { return kBugs; }

}  // namespace go_bugs
