// Goroutines, memory and timers: births, deaths, and what is used again.
#include <reprise/time.h>

#include <chrono>
#include <memory>

#include "tests/race/cases.h"

namespace race_cases {
namespace {

using std::chrono::milliseconds;

void write_before_go() {
  int x = 1;
  reprise::WaitGroup done(1);
  reprise::go([&x, done]() mutable { ++x; done.done(); });
  done.wait();
  use(x);
}
void write_after_go() {
  int x = 0;
  reprise::WaitGroup done(1);
  reprise::go([&x, done]() mutable { ++x; done.done(); });
  x = 1;
  done.wait();
}
void grandchild() {
  int x = 0;
  reprise::WaitGroup done(1);
  reprise::go([&x, done]() mutable {
    x = 1;
    reprise::go([&x, done]() mutable { ++x; done.done(); });
  });
  done.wait();
  use(x);
}
void loop_variable_by_reference() {
  reprise::WaitGroup done(2);
  int i = 0;
  for (i = 0; i < 2; ++i) reprise::go([&i, done]() mutable { use(i + 0); done.done(); });
  done.wait();
}
void loop_variable_by_value() {
  reprise::WaitGroup done(2);
  for (int i = 0; i < 2; ++i) reprise::go([i, done]() mutable { use(i); done.done(); });
  done.wait();
}
void use_and_free() {
  int* p = new int[16]();
  together([=] { p[9] = 1; }, [=] { delete[] p; });
}
void free_after_use() {
  auto* p = new int[16]();
  together([=] { p[9] = 1; }, [=] { p[10] = 1; });
  delete[] p;
}
void memory_used_again() {
  const auto work = [] {
    for (int i = 0; i < 5; ++i) {
      auto p = std::make_unique<int[]>(16);
      p[3] = i;
      reprise::yield();
      use(p[3]);
    }
  };
  together(work, work);
}
void stack_used_again() {
  for (int i = 0; i < 5; ++i) {
    int local[8] = {};
    together([&] { local[1] = i; }, [&] { local[2] = i; });
    use(local);
  }
}
void stacks_of_goroutines_used_again() {
  for (int i = 0; i < 5; ++i) {
    reprise::WaitGroup done(1);
    reprise::go([done]() mutable {
      int local[8] = {};
      together([&] { local[1] = 1; });
      use(local);
      done.done();
    });
    done.wait();
  }
}
void many_goroutines_one_after_another() {
  int x = 0;
  for (int i = 0; i < 150; ++i) together([&] { ++x; });
  use(x);
}
void two_after_many() {
  int x = 0;
  for (int i = 0; i < 150; ++i) together([&] { ++x; });
  together([&] { ++x; }, [&] { ++x; });
  use(x);
}
struct Pair {
  int x = 0, y = 0;
};
struct Base {
  virtual ~Base() { use(*this); }
  virtual void act() { ++count; }
  int count = 0;
};
struct Derived : Base {
  void act() override { count += 2; }
};
[[gnu::noinline]] void act_on(Base* b) { b->act(); }
[[gnu::noinline]] void destroy_in_place(Base* b) { b->~Base(); }
void call_and_destruction() {
  alignas(Derived) unsigned char storage[sizeof(Derived)];
  Base* b = new (storage) Derived;
  together([=] { act_on(b); }, [=] { destroy_in_place(b); });
  use(storage);
}
void destruction_after_calls() {
  const auto b = std::make_unique<Derived>();
  reprise::Mutex m;
  together([&] { m.lock(); act_on(b.get()); m.unlock(); }, [&] { m.lock(); act_on(b.get()); m.unlock(); });
}
void shared_pointer_goes_last() {
  auto p = std::make_shared<Pair>();
  together([p] { use(p->x + 0); }, [p] { use(p->y + 0); });
  p.reset();
}
void function_of_a_timer() {
  int x = 1;
  reprise::WaitGroup done(1);
  const auto timer = reprise::after_func(milliseconds(1), [&x, done]() mutable { ++x; done.done(); });
  done.wait();
  use(x);
}
void write_beside_a_timer() {
  int x = 0;
  reprise::WaitGroup done(1);
  const auto timer = reprise::after_func(milliseconds(1), [&x, done]() mutable { ++x; done.done(); });
  x = 1;
  done.wait();
}
void channel_of_a_timer() {
  int x = 0;
  reprise::WaitGroup done(1);
  reprise::Timer timer(milliseconds(1));
  x = 1;
  reprise::go([&x, timer, done]() mutable { timer.chan().recv(); use(x + 0); done.done(); });
  done.wait();
}
void sleeping_orders_nothing() {
  int x = 0;
  together([&] { x = 1; }, [&] { reprise::sleep_for(milliseconds(5)); ++x; });
  use(x);
}
void yielding_orders_nothing() {
  int x = 0;
  together([&] { x = 1; reprise::yield(); }, [&] { reprise::yield(); ++x; });
  use(x);
}

constexpr Case kCases[] = {
    {"write_before_go", false, write_before_go},
    {"write_after_go", true, write_after_go},
    {"grandchild", false, grandchild},
    {"loop_variable_by_reference", true, loop_variable_by_reference},
    {"loop_variable_by_value", false, loop_variable_by_value},
    {"use_and_free", true, use_and_free},
    {"free_after_use", false, free_after_use},
    {"memory_used_again", false, memory_used_again},
    {"stack_used_again", false, stack_used_again},
    {"stacks_of_goroutines_used_again", false, stacks_of_goroutines_used_again},
    {"many_goroutines_one_after_another", false, many_goroutines_one_after_another},
    {"two_after_many", true, two_after_many},
    {"call_and_destruction", true, call_and_destruction},
    {"destruction_after_calls", false, destruction_after_calls},
    {"shared_pointer_goes_last", false, shared_pointer_goes_last},
    {"function_of_a_timer", false, function_of_a_timer},
    {"write_beside_a_timer", true, write_beside_a_timer},
    {"channel_of_a_timer", false, channel_of_a_timer},
    {"sleeping_orders_nothing", true, sleeping_orders_nothing},
    {"yielding_orders_nothing", true, yielding_orders_nothing},
};

}  // namespace

std::span<const Case> life_cases() { return kCases; }

}  // namespace race_cases
