// The cases of stuck_cases.h.
#include "tests/support/stuck_cases.h"

#include <reprise/chan.h>
#include <reprise/context.h>
#include <reprise/gc.h>
#include <reprise/go.h>
#include <reprise/go_local.h>
#include <reprise/panic.h>
#include <reprise/select.h>
#include <reprise/semaphore.h>
#include <reprise/sync.h>
#include <reprise/time.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace stuck_cases {
namespace {

using namespace reprise;
using namespace std::chrono_literals;

// Some looks under fuzz, and one in an explored schedule, for a yield is two steps.
constexpr int kLong = 6000;

void go_on(int steps = kLong) {
  for (int i = 0; i < steps; ++i) yield();
}

// ---- stuck ----

// What is left of frames that are no more.
[[gnu::noinline]] void wipe_stack() {
  char words[8192];
  std::memset(words, 0, sizeof words);
  asm volatile("" : : "r"(words) : "memory");
}

// Whoever makes them keeps nothing.
[[gnu::noinline]] void make_and_go_on(void (*make)()) {
  make();
  wipe_stack();
  go_on();
}

void a_receiver_without_a_sender() {
  make_and_go_on([] {
    const Chan<int> c;
    go([c] { c.recv(); });
  });
}

void a_sender_without_a_receiver() {
  make_and_go_on([] {
    const Chan<int> c(1);
    go([c] {
      c.send(1);
      c.send(2);
    });
  });
}

void a_select_none_of_whose_channels_anybody_has() {
  make_and_go_on([] {
    const Chan<int> a, b;
    go([a, b] { select(on_recv(a, [](auto&&...) {}), on_send(b, 1, [] {})); });
  });
}

void a_receiver_on_no_channel() {
  make_and_go_on([] {
    go([] {
      const Chan<int> none = nullptr;
      none.recv();
    });
  });
}

void two_that_wait_for_each_other() {
  make_and_go_on([] {
    const Chan<int> a, b;
    go([a, b] {
      a.recv();
      b.send(1);
    });
    go([a, b] {
      b.recv();
      a.send(1);
    });
  });
}

struct Locks {
  Mutex a, b;
};

void two_mutexes_in_opposite_order() {
  make_and_go_on([] {
    const auto locks = std::make_shared<Locks>();
    const auto take = [locks](Mutex& first, Mutex& second) {
      first.lock();
      go_on(20);
      second.lock();
    };
    go([locks, take] { take(locks->a, locks->b); });
    go([locks, take] { take(locks->b, locks->a); });
    go_on(100);
  });
}

void a_reader_behind_a_writer_behind_itself() {
  make_and_go_on([] {
    const auto lock = std::make_shared<RWMutex>();
    go([lock] {
      lock->rlock();
      go_on(40);
      lock->rlock();
    });
    go([lock] {
      go_on(5);
      lock->lock();
    });
    go_on(200);
  });
}

struct Door {
  Mutex lock;
  Cond<Mutex> opened{lock};
};

void a_waiter_for_a_condition_that_nobody_signals() {
  make_and_go_on([] {
    const auto door = std::make_shared<Door>();
    go([door] {
      const std::lock_guard hold(door->lock);
      door->opened.wait();
    });
  });
}

void a_wait_group_with_one_done_too_few() {
  make_and_go_on([] {
    WaitGroup all;
    all.add(2);
    go([all]() mutable { all.done(); });
    go([all]() mutable { all.wait(); });
  });
}

void a_semaphore_that_nobody_releases() {
  make_and_go_on([] {
    const auto places = std::make_shared<Semaphore>(1);
    go([places] {
      places->acquire(1);
      places->acquire(1);
    });
  });
}

void an_object_on_the_stack_of_one_that_is_stuck_too() {
  make_and_go_on([] {
    go([] {
      Mutex lock;
      lock.lock();
      go([&] { lock.lock(); });
      lock.lock();
    });
  });
}

void a_receiver_beside_a_ticker() {
  [] {
    const Chan<int> c;
    go([c] { c.recv(); });
  }();
  for (int i = 0; i < 500; ++i) sleep_for(1ms);
}

// The thread knows nothing of it.
void a_receiver_beside_a_thread() {
  std::atomic<bool> now{false};
  std::thread thread([&now] { now.wait(false); });
  a_receiver_without_a_sender();
  now = true;
  now.notify_one();
  thread.join();
}

// Main alone has the channel, and leaves.
void a_receiver_when_main_returns_beside_a_ticker() {
  go([] {
    for (;;) sleep_for(1ms);
  });
  const Chan<int> c;
  go([c] { c.recv(); });
  go_on(20);
}

void workers_when_main_returns_beside_a_ticker() {
  go([] {
    for (;;) sleep_for(1ms);
  });
  const Chan<int> work;
  for (int i = 0; i < 3; ++i) {
    go([work] {
      while (work.recv()) yield();
    });
  }
  for (int i = 0; i < 10; ++i) work.send(i);
  go_on(20);
}

// ---- not stuck ----

// What a goroutine waits for. Nobody but whoever hides it, and who waits, has its address.
struct Box {
  Chan<int> c;
  Mutex lock;
  char rest[200] = {};
};

// On a frame of its own, so that no word of the caller's keeps the address.
[[gnu::noinline]] Box* box_with_waiter() {
  Box* const box = new Box;
  go([box] {
    box->c.recv();
    delete box;
  });
  return box;
}

[[gnu::noinline]] void wake(Box* box) { box->c.send(1); }

void an_address_in_a_local_variable() {
  Box* const box = box_with_waiter();
  go_on();
  wake(box);
}

void an_address_in_a_register_across_a_switch() {
  register Box* box asm("r12") = box_with_waiter();
  for (int i = 0; i < kLong; ++i) {
    asm volatile("" : "+r"(box));
    yield();
  }
  wake(box);
}

thread_local Box* of_this_thread = nullptr;

void an_address_in_a_thread_local() {
  of_this_thread = box_with_waiter();
  go_on();
  wake(of_this_thread);
}

void an_address_in_memory_behind_memory() {
  const auto outer = std::make_unique<std::unique_ptr<Box*>>(std::make_unique<Box*>(box_with_waiter()));
  go_on();
  wake(**outer);
}

void an_address_in_the_closure_of_a_timer() {
  [] {
    after_func(10ms, [box = box_with_waiter()] { wake(box); });
  }();
  go_on();
}

void an_address_in_the_middle() {
  char* const inside = &box_with_waiter()->rest[101];
  go_on();
  wake(reinterpret_cast<Box*>(inside - 101 - offsetof(Box, rest)));
}

// As large as a block of malloc's, so that its end is the beginning of another.
struct alignas(16) Full {
  Chan<int> c{0};
  char rest[256 - sizeof(Chan<int>)];
};
static_assert(sizeof(Full) == 256);

void an_address_behind_the_end() {
  Full* end = [] {
    auto* const full = new Full{};
    go([full] { full->c.recv(); });
    return full + 1;
  }();
  go_on();
  end[-1].c.send(1);
}

void an_address_with_marks_in_its_unused_bits() {
  uintptr_t marked = reinterpret_cast<uintptr_t>(box_with_waiter()) | uintptr_t{0xabcd} << 48 | 5;
  go_on();
  asm volatile("" : "+r"(marked));
  wake(reinterpret_cast<Box*>(marked & ~(uintptr_t{0xffff} << 48) & ~uintptr_t{7}));
}

void an_address_that_is_not_aligned() {
  struct [[gnu::packed]] Odd {
    char three[3];
    Box* box;
  };
  const auto odd = std::make_unique<Odd>(Odd{{}, box_with_waiter()});
  go_on();
  wake(odd->box);
}

void an_address_in_a_mapping_of_its_own() {
  void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) panic("mmap");
  *static_cast<Box**>(page) = box_with_waiter();
  go_on();
  wake(*static_cast<Box**>(page));
  munmap(page, 4096);
}

void an_address_in_a_channel() {
  const Chan<Box*> boxes(1);
  boxes.send(box_with_waiter());
  go_on();
  wake(boxes.recv().value());
}

void an_address_on_its_way_from_a_sender_who_waits() {
  const Chan<Box*> boxes;
  go([boxes] { boxes.send(box_with_waiter()); });
  go_on();
  wake(boxes.recv().value());
}

void an_address_of_one_who_sleeps() {
  go([] {
    Box* const box = box_with_waiter();
    sleep_for(10ms);
    wake(box);
  });
  go_on();
}

// The sleeper would wake it if main did not return.
void an_address_of_one_who_sleeps_when_main_returns() {
  go([] {
    Box* const box = box_with_waiter();
    sleep_for(1h);
    wake(box);
  });
  go_on(20);
}

void an_address_local_to_a_goroutine() {
  static GoLocal<Box*> local;
  local.get() = box_with_waiter();
  go_on();
  wake(local.get());
}

void a_context_with_a_deadline() {
  go([] {
    const auto [context, cancel] = with_timeout(background(), 10ms);
    context.done().recv();
  });
  go_on();
}

void a_select_with_a_time_limit() {
  go([] {
    const Chan<int> never;
    select(on_recv(never, [](auto&&...) {}), on_timeout(10ms, [] {}));
  });
  go_on();
}

void an_address_in_the_collected_heap() {
  struct Keeper {
    Box* box;
  };
  const gc::Ptr<Keeper> keeper = gc::make<Keeper>(Keeper{box_with_waiter()});
  go_on();
  wake(keeper->box);
}

// The object is garbage, and no collection comes. Its finalizer alone has the address as such; the body has it inside out.
void an_address_in_the_closure_of_a_finalizer() {
  const uintptr_t inside_out = [] {
    Box* const box = box_with_waiter();
    const gc::Ptr<int> garbage = gc::make<int>(1);
    gc::set_finalizer(garbage, [box](const gc::Ptr<int>&) { wake(box); });
    return ~reinterpret_cast<uintptr_t>(box);
  }();
  wipe_stack();
  go_on();
  wake(reinterpret_cast<Box*>(~inside_out));
}

void those_who_hand_a_token_round_in_a_ring() {
  constexpr int kRing = 5;
  const Chan<int> first(1);  // room for the last token, which nobody receives
  Chan<int> from = first;
  WaitGroup all;
  all.add(kRing);
  for (int i = 0; i < kRing; ++i) {
    const Chan<int> to = i + 1 < kRing ? Chan<int>(1) : first;
    go([from, to, all]() mutable {
      int left = 1;
      while (left > 0) {
        left = from.recv().value();
        to.send(left - 1);
      }
      all.done();
    });
    from = to;
  }
  first.send(kLong);
  all.wait();
}

// The one thread that knows the address does so until its own end.
void an_address_on_the_stack_of_a_thread() {
  std::atomic<bool> now{false};
  std::thread knows = [&] {
    return std::thread([&now, box = box_with_waiter()] {
      now.wait(false);
      wake(box);
    });
  }();
  go_on();
  now = true;
  now.notify_one();
  knows.join();
}

// Nothing but a register of a thread that sleeps has it.
void an_address_in_a_register_of_a_thread() {
  std::atomic<bool> now{false};
  std::thread knows = [&] {
    return std::thread([&now, box = box_with_waiter()]() mutable {
      register Box* kept asm("r12") = std::exchange(box, nullptr);
      while (!now) {
        asm volatile("" : "+r"(kept));
        std::this_thread::sleep_for(1ms);
      }
      wake(kept);
    });
  }();
  wipe_stack();
  go_on();
  now = true;
  knows.join();
}

constexpr Case kCases[] = {
    {"a_receiver_without_a_sender", Kind::stuck, a_receiver_without_a_sender},
    {"a_sender_without_a_receiver", Kind::stuck, a_sender_without_a_receiver},
    {"a_select_none_of_whose_channels_anybody_has", Kind::stuck, a_select_none_of_whose_channels_anybody_has},
    {"a_receiver_on_no_channel", Kind::stuck, a_receiver_on_no_channel},
    {"two_that_wait_for_each_other", Kind::stuck, two_that_wait_for_each_other},
    {"two_mutexes_in_opposite_order", Kind::stuck_on_locks, two_mutexes_in_opposite_order},
    {"a_reader_behind_a_writer_behind_itself", Kind::stuck_on_locks, a_reader_behind_a_writer_behind_itself},
    {"a_waiter_for_a_condition_that_nobody_signals", Kind::stuck_on_locks, a_waiter_for_a_condition_that_nobody_signals},
    {"a_wait_group_with_one_done_too_few", Kind::stuck, a_wait_group_with_one_done_too_few},
    {"a_semaphore_that_nobody_releases", Kind::stuck_on_locks, a_semaphore_that_nobody_releases},
    {"an_object_on_the_stack_of_one_that_is_stuck_too", Kind::stuck, an_object_on_the_stack_of_one_that_is_stuck_too},
    {"a_receiver_beside_a_ticker", Kind::stuck, a_receiver_beside_a_ticker},
    {"an_address_in_a_local_variable", Kind::alive, an_address_in_a_local_variable},
    {"an_address_in_a_register_across_a_switch", Kind::alive, an_address_in_a_register_across_a_switch},
    {"an_address_in_a_thread_local", Kind::alive, an_address_in_a_thread_local},
    {"an_address_in_memory_behind_memory", Kind::alive, an_address_in_memory_behind_memory},
    {"an_address_in_the_closure_of_a_timer", Kind::alive, an_address_in_the_closure_of_a_timer},
    {"an_address_in_the_middle", Kind::alive, an_address_in_the_middle},
    {"an_address_behind_the_end", Kind::alive, an_address_behind_the_end},
    {"an_address_with_marks_in_its_unused_bits", Kind::alive, an_address_with_marks_in_its_unused_bits},
    {"an_address_that_is_not_aligned", Kind::alive, an_address_that_is_not_aligned},
    {"an_address_in_a_mapping_of_its_own", Kind::alive, an_address_in_a_mapping_of_its_own},
    {"an_address_in_a_channel", Kind::alive, an_address_in_a_channel},
    {"an_address_on_its_way_from_a_sender_who_waits", Kind::alive, an_address_on_its_way_from_a_sender_who_waits},
    {"an_address_of_one_who_sleeps", Kind::alive, an_address_of_one_who_sleeps},
    {"an_address_local_to_a_goroutine", Kind::alive, an_address_local_to_a_goroutine},
    {"a_context_with_a_deadline", Kind::alive, a_context_with_a_deadline},
    {"a_select_with_a_time_limit", Kind::alive, a_select_with_a_time_limit},
    {"an_address_in_the_collected_heap", Kind::alive, an_address_in_the_collected_heap},
    {"an_address_in_the_closure_of_a_finalizer", Kind::alive_in_a_program, an_address_in_the_closure_of_a_finalizer},
    {"those_who_hand_a_token_round_in_a_ring", Kind::alive, those_who_hand_a_token_round_in_a_ring},
    {"a_receiver_when_main_returns_beside_a_ticker", Kind::stuck_at_the_end, a_receiver_when_main_returns_beside_a_ticker},
    {"workers_when_main_returns_beside_a_ticker", Kind::stuck_at_the_end, workers_when_main_returns_beside_a_ticker},
    {"an_address_of_one_who_sleeps_when_main_returns", Kind::alive_in_a_program, an_address_of_one_who_sleeps_when_main_returns},
    {"a_receiver_beside_a_thread", Kind::stuck_in_a_program, a_receiver_beside_a_thread},
    {"an_address_in_a_register_of_a_thread", Kind::alive_in_a_program, an_address_in_a_register_of_a_thread},
    {"an_address_on_the_stack_of_a_thread", Kind::alive_in_a_program, an_address_on_the_stack_of_a_thread},
};

}  // namespace

std::span<const Case> all() { return kCases; }

}  // namespace stuck_cases
