// Programs that die, one for each way: deaths NAME. tests/e2e/deaths_test.py says what each prints.
#include <reprise/cgo.h>
#include <reprise/reprise.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "runtime/sched/proc.h"
#include "runtime/signal/sigpreempt.h"
#include "tests/support/cgo_c.h"
#include "tests/support/on_purpose.h"

namespace {

using reprise::go;
namespace rt = reprise::rt;

std::atomic<bool> somebody_waits{false};

void park_for_ever() {
  const auto waits = [](rt::G*, void*) { return somebody_waits = true; };
  rt::gopark(waits, nullptr, rt::WaitReason::chan_receive);
}

[[gnu::noinline]] void waits_for_ever() {
  park_for_ever();
  std::puts("woken");
}

void deadlock() {
  go([] { waits_for_ever(); });
  rt::gopark(nullptr, nullptr, rt::WaitReason::sync_wait_group_wait);
}

volatile bool always = true;  // or the compiler proves too much about what follows

[[gnu::noinline]] void panics_here(int depth) {
  if (depth == 0 && always) reprise::panic("the sky fell");
  if (always) panics_here(depth - 1);
  std::puts("unreachable");
}

void panic_on_main() { panics_here(2); }

void panic_on_goroutine() {
  go([] { panics_here(1); });
  park_for_ever();
}

// Deferred calls run, nobody recovers: the report comes after them and shows where the panic began.
void panic_with_defers() {
  go([] {
    DEFER { std::puts("deferred"); std::fflush(stdout); };
    panics_here(1);
  });
  park_for_ever();
}

[[gnu::noinline]] void panics_above_a_large_frame() {
  char large[100'000];
  asm volatile("" : : "r"(large) : "memory");
  panics_here(1);
  asm volatile("" : : "r"(large) : "memory");
}

void panic_with_defers_above_a_large_frame() {
  go([] {
    DEFER {};
    panics_above_a_large_frame();
  });
  park_for_ever();
}

void panic_in_defer() {
  go([] {
    DEFER { reprise::panic("second"); };
    panics_here(0);
  });
  park_for_ever();
}

[[gnu::noinline]] void recovers_and_panics() {
  DEFER {
    recover();
    reprise::panic("second thoughts");
  };
  panics_here(0);
}

void panic_after_recover() {
  go([] { recovers_and_panics(); });
  park_for_ever();
}

void recovered_on_main() {
  DEFER { std::printf("recovered: %s\n", recover().text().c_str()); };
  panics_here(0);
}

void swallowed_panic() {
  go([] {
    DEFER {};
    try {
      panics_here(0);
    } catch (...) {
    }
  });
  park_for_ever();
}

[[gnu::noinline]] void lets_nothing_out() noexcept { panics_here(0); }

void panic_through_noexcept() {
  go([] {
    DEFER { recover(); };
    lets_nothing_out();
  });
  park_for_ever();
}

void panic_while_goexit() {
  go([] {
    DEFER { reprise::panic("on the way out"); };
    rt::goexit();
  });
  park_for_ever();
}

void panic_beside_others() {
  go([] { waits_for_ever(); });
  while (!somebody_waits) rt::gosched();
  panics_here(0);
}

// A comparison that uses the map which it is called for: what two goroutines at once would do to it.
struct Meddling {
  static inline std::function<void()> meddle;
  bool operator()(int a, int b) const {
    if (meddle) std::exchange(meddle, nullptr)();
    return a == b;
  }
};

void uses_map_during_write(void (*use)(reprise::Map<int, int, reprise::Hash<int>, Meddling>)) {
  const reprise::Map<int, int, reprise::Hash<int>, Meddling> map;
  map[1] = 1;
  Meddling::meddle = [=] { use(map); };
  map[1] = 2;
}

void concurrent_map_writes() {
  uses_map_during_write([](auto map) { map[2] = 2; });
}
void concurrent_map_read() {
  uses_map_during_write([](auto map) { map.find(2); });
}
void concurrent_map_iteration() {
  uses_map_during_write([](auto map) {
    for (auto [key, value] : map) std::printf("%d %d\n", key, value);
  });
}

[[gnu::noinline]] void throws_here() { throw std::runtime_error("no such luck"); }

void exception() {
  go([] { throws_here(); });
  park_for_ever();
}

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  return always ? recurse(depth + 1) + frame[0] : 0;
}

void overflow() {
  go([] { std::printf("%d\n", recurse(0)); });
  park_for_ever();
}

[[gnu::noinline]] ON_PURPOSE void writes_null(volatile int* pointer) { *pointer = 1; }

void nil() {
  go([] { writes_null(nullptr); });
  park_for_ever();
}

// Computes among others who do, and is preempted again and again, up to the faulting instruction.
void nil_among_hogs() {
  for (int i = 0; i < 6; ++i) {
    go([] {
      while (always) {
      }
    });
  }
  go([] {
    const uint64_t before = rt::preempt_counts().preempted;
    while (rt::async_preempt_on() && rt::preempt_counts().preempted < before + 50) {
    }
    writes_null(nullptr);
  });
  park_for_ever();
}

// Not a nil pointer, but a wrong one.
void segv() {
  static volatile uintptr_t nowhere = 0x5aa5'0000'1230;
  go([] { writes_null(reinterpret_cast<volatile int*>(nowhere)); });
  park_for_ever();
}

[[gnu::noinline]] ON_PURPOSE int divides(int by) { return 42 / by; }

void divide() {
  static volatile int zero = 0;
  go([] { std::printf("%d\n", divides(zero)); });
  park_for_ever();
}

[[gnu::noinline]] ON_PURPOSE void calls(void (*function)()) {
  function();
  std::puts("called");
}

void nil_call() {
  static void (*volatile nothing)() = nullptr;
  go([] { calls(nothing); });
  park_for_ever();
}

// In libc, which does not expect to be left in the middle.
void nil_in_libc() {
  static const char* volatile nothing = nullptr;
  go([]() ON_PURPOSE { std::printf("%zu\n", std::strlen(nothing)); });
  park_for_ever();
}

[[gnu::noinline]] void aborts_here() { std::abort(); }

void aborts() {
  go([] { aborts_here(); });
  park_for_ever();
}

void lock_order() {
  rt::Lock low{rt::LockRank::sched}, high{rt::LockRank::leaf};
  high.lock();
  low.lock();
}

void foreign_thread() {
  std::thread([] { rt::gosched(); }).join();
}

// Not a death: the program is another one, at a moment at which the runtime still makes threads.
void executes() { execl("/bin/true", "true", nullptr); }

void changes_sigmask() {
  go([] {
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, nullptr, nullptr);  // a look is allowed
    reprise::lock_os_thread();
    pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
    pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
    reprise::unlock_os_thread();
    std::puts("locked: allowed");
    pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
  });
  park_for_ever();
}

void exit_on_thread() {
  std::thread([] { std::exit(7); }).join();
}

void main_goexit() {
  go([] { rt::gosched(); std::puts("outlived main"); std::fflush(stdout); });
  rt::goexit();
}

void swallowed_goexit() {
  go([] {
    try {
      rt::goexit();
    } catch (...) {
    }
  });
  park_for_ever();
}

[[gnu::noinline]] void asks_to_quit() {
  raise(SIGQUIT);
  std::puts("unreachable");
}

void quit() {
  go([] { waits_for_ever(); });
  while (!somebody_waits) rt::gosched();
  asks_to_quit();
}

std::atomic<int> looping{0};

[[gnu::noinline]] void loops_for_ever() {
  ++looping;
  for (volatile bool again = true; again;) {
  }
}

[[gnu::noinline]] void loops_where_nobody_hears() {
  rt::lock_os_thread();
  sigset_t quit;
  sigemptyset(&quit);
  sigaddset(&quit, SIGQUIT);
  pthread_sigmask(SIG_BLOCK, &quit, nullptr);
  loops_for_ever();
}

void quit_while_others_loop(void (*last)()) {
  rt::gomaxprocs(4);
  go([] { loops_for_ever(); });
  go([] { loops_for_ever(); });
  go([last] { last(); });
  while (looping != 3) rt::gosched();
  asks_to_quit();
}

void quit_loops() { quit_while_others_loop(loops_for_ever); }
void quit_unheard() { quit_while_others_loop(loops_where_nobody_hears); }

[[gnu::noinline]] int recursive_value(bool again) {
  static const int value = again ? recursive_value(false) : 1;
  return value;
}

void recursive_static() { std::printf("%d\n", recursive_value(true)); }

// Mistakes with the heap, which under the stage is ours.
void double_free() {
  go([] {
    void* volatile block = std::malloc(100);
    std::free(block);
    std::free(block);
  });
  park_for_ever();
}

void invalid_free() {
  char* const block = static_cast<char*>(std::malloc(100));
  char* volatile inside = block + 16;
  std::free(inside);
}

// A limit makes the heap small enough to exhaust (see the test).
void exhaustion() {
  constexpr size_t kBlock = 1 << 20;
  size_t blocks = 0;
  while (void* const block = std::malloc(kBlock)) {
    *static_cast<void* volatile*>(block) = nullptr;
    ++blocks;
  }
  std::printf("no memory: %d\n", errno == ENOMEM && blocks > 0);
  std::fflush(stdout);
  while (true) {
    char* volatile block = new char[kBlock];
    *block = 0;
  }
}

// What no program may do: the API in a static constructor.
struct SpawnsEarly {
  SpawnsEarly() {
    if (std::getenv("DEATHS_SPAWN_EARLY") != nullptr) go([] {});
  }
} spawns_early;

template <class F>
void back(void* arg) {
  reprise::cgo::callback(*static_cast<F*>(arg));
}

// A C++ exception would leave a callback into C's frames.
void cgo_exception_from_callback() {
  auto f = [] { throw std::runtime_error("of C++"); };
  try {
    reprise::cgo::call([&] { c_calls(back<decltype(f)>, &f); });
  } catch (const std::exception&) {
    std::puts("caught");
  }
}

void cgo_exception_from_c() {
  try {
    reprise::cgo::call([] { throw std::runtime_error("of C++"); });
  } catch (const std::exception&) {
    std::puts("caught");
  }
}

// C jumps over a callback and the call that it made.
void cgo_longjmp() {
  auto f = [] {
    reprise::cgo::callback([] { reprise::cgo::call([] { c_jumps(); }); });
  };
  const int jumped = reprise::cgo::call([&] {
    return c_catches_jump([](void* arg) { (*static_cast<decltype(f)*>(arg))(); }, &f);
  });
  std::printf("jumped %d\n", jumped);
}

// While a panic crosses C, a cleanup of C's calls back and panics too.
void cgo_second_panic() {
  reprise::recovering([] {
    DEFER { recover(); };
    auto first = [] { reprise::panic("the first"); };
    auto second = [] { reprise::panic("the second"); };
    c_cleanup cleanup{back<decltype(second)>, &second};
    reprise::cgo::call([&] { c_calls_with_cleanup(back<decltype(first)>, &first, &cleanup); });
  });
  std::puts("recovered");
}


constexpr struct {
  const char* name;
  void (*run)();
} kDeaths[] = {
    {"deadlock", deadlock},     {"panic_on_main", panic_on_main},
    {"panic_on_goroutine", panic_on_goroutine},
    {"panic_with_defers", panic_with_defers},
    {"panic_with_defers_above_a_large_frame", panic_with_defers_above_a_large_frame},
    {"panic_in_defer", panic_in_defer},
    {"panic_after_recover", panic_after_recover},
    {"recovered_on_main", recovered_on_main},
    {"swallowed_panic", swallowed_panic},
    {"panic_through_noexcept", panic_through_noexcept},
    {"panic_while_goexit", panic_while_goexit},
    {"panic_beside_others", panic_beside_others},
    {"concurrent_map_writes", concurrent_map_writes},
    {"concurrent_map_read", concurrent_map_read},
    {"concurrent_map_iteration", concurrent_map_iteration},
    {"exception", exception},   {"overflow", overflow},
    {"segv", segv},             {"main_goexit", main_goexit},
    {"nil", nil},               {"divide", divide},
    {"nil_among_hogs", nil_among_hogs},
    {"nil_call", nil_call},     {"nil_in_libc", nil_in_libc},
    {"swallowed_goexit", swallowed_goexit},
    {"recursive_static", recursive_static},
    {"quit", quit},
    {"quit_loops", quit_loops},
    {"quit_unheard", quit_unheard},
    {"abort", aborts},
    {"foreign_thread", foreign_thread},
    {"lock_order", lock_order},
    {"exit_on_thread", exit_on_thread},
    {"exec", executes},
    {"sigmask", changes_sigmask},
    {"double_free", double_free},
    {"invalid_free", invalid_free},
    {"exhaustion", exhaustion},
    {"cgo_exception_from_callback", cgo_exception_from_callback},
    {"cgo_exception_from_c", cgo_exception_from_c},
    {"cgo_longjmp", cgo_longjmp},
    {"cgo_second_panic", cgo_second_panic},
};

int app(int argc, char** argv) {
  for (const auto& death : kDeaths) {
    if (argc == 2 && std::strcmp(argv[1], death.name) == 0) death.run();
  }
  std::fprintf(stderr, "usage: deaths NAME\n");
  return 64;
}

}  // namespace

REPRISE_MAIN(app)
