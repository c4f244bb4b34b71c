// What locks, conditions, groups and once order, and what they do not.
#include <reprise/semaphore.h>

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "tests/race/cases.h"

namespace race_cases {
namespace {

using reprise::Mutex;

template <class L, class F>
void locked(L& lock, F f) {
  const std::lock_guard hold(lock);
  f();
}

void one_mutex() {
  Mutex m;
  int x = 0;
  together([&] { locked(m, [&] { ++x; }); }, [&] { locked(m, [&] { ++x; }); });
  use(x);
}
void two_mutexes() {
  Mutex m, n;
  int x = 0;
  together([&] { locked(m, [&] { ++x; }); }, [&] { locked(n, [&] { ++x; }); });
  use(x);
}
void mutex_on_one_side() {
  Mutex m;
  int x = 0;
  together([&] { locked(m, [&] { ++x; }); }, [&] { ++x; });
  use(x);
}
void write_after_unlock() {
  Mutex m;
  int x = 0;
  together([&] { locked(m, [] {}); x = 1; }, [&] { locked(m, [&] { x = 2; }); });
  use(x);
}
void mutex_unlocked_by_another() {
  Mutex m;
  int x = 0;
  m.lock();
  together([&] { x = 1; m.unlock(); }, [&] { m.lock(); x = 2; });
  use(x);
}
void try_lock_that_succeeds() {
  Mutex m;
  int x = 0;
  const auto attempt = [&] {
    if (!m.try_lock()) return;
    ++x;
    m.unlock();
  };
  together(attempt, attempt);
  use(x);
}
void readers_and_a_writer() {
  reprise::RWMutex m;
  int x = 0;
  const auto read = [&] { m.rlock(); int y = x; use(y); m.runlock(); };
  together(read, read, [&] { m.lock(); ++x; m.unlock(); });
}
void writers_that_hold_for_reading() {
  reprise::RWMutex m;
  int x = 0;
  const auto write = [&] { m.rlock(); ++x; m.runlock(); };
  together(write, write);
  use(x);
}
void std_mutex() {
  std::mutex m;
  int x = 0;
  together([&] { locked(m, [&] { ++x; }); }, [&] { locked(m, [&] { ++x; }); });
  use(x);
}
void std_mutex_on_one_side() {
  std::mutex m;
  int x = 0;
  together([&] { locked(m, [&] { ++x; }); }, [&] { ++x; });
  use(x);
}
void std_recursive_mutex() {
  std::recursive_mutex m;
  int x = 0;
  const auto add = [&] { locked(m, [&] { locked(m, [&] { ++x; }); ++x; }); };
  together(add, add);
  use(x);
}
void std_shared_mutex() {
  std::shared_mutex m;
  int x = 0;
  const auto read = [&] { const std::shared_lock hold(m); int y = x; use(y); };
  together(read, read, [&] { const std::unique_lock hold(m); ++x; });
}
void std_shared_mutex_held_for_reading() {
  std::shared_mutex m;
  int x = 0;
  const auto write = [&] { const std::shared_lock hold(m); ++x; };
  together(write, write);
  use(x);
}
void condition() {
  Mutex m;
  reprise::Cond<> changed(m);
  bool ready = false;
  int x = 0;
  together([&] { locked(m, [&] { while (!ready) changed.wait(); }); int y = x; use(y); },
           [&] { x = 1; locked(m, [&] { ready = true; }); changed.signal(); });
}
void condition_and_a_write_after_it() {
  Mutex m;
  reprise::Cond<> changed(m);
  bool ready = false;
  int x = 0;
  together([&] { locked(m, [&] { while (!ready) changed.wait(); }); int y = x; use(y); },
           [&] { locked(m, [&] { ready = true; }); changed.broadcast(); x = 1; });
}
void std_condition() {
  std::mutex m;
  std::condition_variable changed;
  bool ready = false;
  int x = 0;
  together([&] { std::unique_lock hold(m); changed.wait(hold, [&] { return ready; }); int y = x; use(y); },
           [&] { x = 1; locked(m, [&] { ready = true; }); changed.notify_all(); });
}
void std_condition_without_the_lock() {
  std::mutex m;
  std::condition_variable changed;
  bool ready = false;
  together([&] { std::unique_lock hold(m); if (!ready) changed.wait_for(hold, std::chrono::milliseconds(1)); },
           [&] { ready = true; changed.notify_all(); });
}
void group() {
  reprise::WaitGroup done(1);
  int x = 0;
  together([&] { x = 1; done.done(); }, [&] { done.wait(); ++x; });
  use(x);
}
void group_done_too_early() {
  reprise::WaitGroup done(1);
  int x = 0;
  together([&] { done.done(); x = 1; }, [&] { done.wait(); ++x; });
  use(x);
}
void once() {
  reprise::Once o;
  int x = 0;
  const auto get = [&] { o.call([&] { x = 1; }); int y = x; use(y); };
  together(get, get, get);
}
void std_call_once() {
  std::once_flag o;
  int x = 0;
  const auto get = [&] { std::call_once(o, [&] { x = 1; }); int y = x; use(y); };
  together(get, get, get);
}
void lazily_without_once() {
  int* p = nullptr;
  int value = 0;
  const auto get = [&] { if (p == nullptr) p = &value; };
  together(get, get);
  use(p);
}
void checked_twice() {
  Mutex m;
  bool made = false;
  int x = 0;
  const auto get = [&] {
    if (!made) locked(m, [&] { if (!made) x = 1, made = true; });
    int y = x;
    use(y);
  };
  together(get, get);
}
void semaphore_of_one() {
  reprise::Semaphore s(1);
  int x = 0;
  const auto add = [&] { s.acquire(1); ++x; s.release(1); };
  together(add, add);
  use(x);
}
void semaphore_of_two() {
  reprise::Semaphore s(2);
  int x = 0;
  const auto add = [&] { s.acquire(1); ++x; s.release(1); };
  together(add, add);
  use(x);
}
int make_static() {
  static const int value = [] {
    reprise::yield();
    return 3;
  }();
  return value;
}
void static_of_a_function() {
  const auto get = [] { int y = make_static(); use(y); };
  together(get, get);
}

constexpr Case kCases[] = {
    {"one_mutex", false, one_mutex},
    {"two_mutexes", true, two_mutexes},
    {"mutex_on_one_side", true, mutex_on_one_side},
    {"write_after_unlock", true, write_after_unlock},
    {"mutex_unlocked_by_another", false, mutex_unlocked_by_another},
    {"try_lock_that_succeeds", false, try_lock_that_succeeds},
    {"readers_and_a_writer", false, readers_and_a_writer},
    {"writers_that_hold_for_reading", true, writers_that_hold_for_reading},
    {"std_mutex", false, std_mutex},
    {"std_mutex_on_one_side", true, std_mutex_on_one_side},
    {"std_recursive_mutex", false, std_recursive_mutex},
    {"std_shared_mutex", false, std_shared_mutex},
    {"std_shared_mutex_held_for_reading", true, std_shared_mutex_held_for_reading},
    {"condition", false, condition},
    {"condition_and_a_write_after_it", true, condition_and_a_write_after_it},
    {"std_condition", false, std_condition},
    {"std_condition_without_the_lock", true, std_condition_without_the_lock},
    {"group", false, group},
    {"group_done_too_early", true, group_done_too_early},
    {"once", false, once},
    {"std_call_once", false, std_call_once},
    {"lazily_without_once", true, lazily_without_once},
    {"checked_twice", true, checked_twice},
    {"semaphore_of_one", false, semaphore_of_one},
    {"semaphore_of_two", true, semaphore_of_two},
    {"static_of_a_function", false, static_of_a_function},
};

}  // namespace

std::span<const Case> lock_cases() { return kCases; }

}  // namespace race_cases
