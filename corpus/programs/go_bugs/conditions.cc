// Bugs with conditions and notifications.
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <mutex>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernel.h"

namespace go_bugs {
namespace {

using kernels::Racy;
using kernels::require;
using kernels::Threads;
using reprise::Chan;
using reprise::Cond;
using reprise::Mutex;

// The condition is signalled before somebody waits for it, and nobody looks at what it stands for.
void lost_signal(bool fixed) {
  Mutex lock;
  Cond ready(lock);
  Racy<bool> set{false};
  Threads threads;
  threads.start([&, fixed] {
    const std::lock_guard hold(lock);
    if (!fixed || !set.read()) ready.wait();
  });
  threads.start([&] {
    const std::lock_guard hold(lock);
    set.write(true);
    ready.signal();
  });
}

// What is tested under the lock is set without it, so the signal falls between the test and the wait.
void unlocked_signal(bool fixed) {
  Mutex lock;
  Cond ready(lock);
  Racy<bool> set{false};
  Threads threads;
  threads.start([&] {
    const std::lock_guard hold(lock);
    while (!set.read()) ready.wait();
  });
  threads.start([&, fixed] {
    std::unique_lock hold(lock, std::defer_lock);
    if (fixed) hold.lock();
    set.write(true);
    ready.signal();
  });
}

// Woken by a signal, but somebody was faster: `if` where `while` is needed.
void wait_without_loop(bool fixed) {
  Mutex lock;
  Cond ready(lock);
  Racy<int> items{0};
  const auto take = [&, fixed] {
    const std::lock_guard hold(lock);
    if (items.read() == 0) ready.wait();
    while (fixed && items.read() == 0) ready.wait();
    require(items.read() > 0, "wait_without_loop: nothing to take");
    items.write(items.read() - 1);
  };
  const auto put = [&] {
    const std::lock_guard hold(lock);
    items.write(items.read() + 1);
    ready.signal();
  };
  Threads threads;
  threads.start(take);
  threads.start(take);
  threads.start(put);
  threads.start(put);
}

// One signal for two who wait.
void signal_for_all(bool fixed) {
  Mutex lock;
  Cond ready(lock);
  Racy<bool> set{false};
  Threads threads;
  for (int i = 0; i < 2; ++i) {
    threads.start([&] {
      const std::lock_guard hold(lock);
      while (!set.read()) ready.wait();
    });
  }
  threads.start([&, fixed] {
    const std::lock_guard hold(lock);
    set.write(true);
    fixed ? ready.broadcast() : ready.signal();
  });
}

// A notification by try_send, right after the unlock: dropped if the other side does not wait yet.
void missed_notification(bool fixed) {
  const Chan<int> wake(fixed ? 1 : 0);
  Mutex lock;
  Racy<bool> set{false};
  Threads threads;
  threads.start([&, wake] {
    lock.lock();
    const bool is_set = set.read();
    lock.unlock();
    if (!is_set) wake.recv();
  });
  threads.start([&, wake] {
    lock.lock();
    set.write(true);
    lock.unlock();
    wake.try_send(1);
  });
}

constexpr Bug kBugs[] = {
    {"lost_signal", lost_signal},           {"unlocked_signal", unlocked_signal},
    {"wait_without_loop", wait_without_loop}, {"signal_for_all", signal_for_all},
    {"missed_notification", missed_notification},
};

}  // namespace

std::span<const Bug> conditions() { return kBugs; }

}  // namespace go_bugs
