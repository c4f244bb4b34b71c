// What counted code must get through, in goroutines that are preempted at ticks: exceptions, static guards, variables of the thread,
// callbacks from libc, a shared library, comdats shared with a plain unit, computed gotos, loops that
// wait for another goroutine without a scheduling point.
//
// Prints "ok" and ends with 0, or says what went wrong. Under a policy it also checks that ticks are
// counted exactly and that counted text is told from other text.
#include <reprise/counted.h>
#include <reprise/reprise.h>

#include <locale.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/sched/counted.h"
#include "tests/counted/shared.h"

namespace {

using namespace counted_cases;

constexpr int kGoroutines = 3;
constexpr int kRounds = 40;

void check(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "counted_cases: %s\n", what);
  std::_Exit(1);
}

uint64_t slow_value() {
  static std::atomic<int> calls{0};
  check(++calls == 1, "a static was initialised twice");
  uint64_t value = 0;
  for (int i = 0; i < 200'000; ++i) {
    value += static_cast<uint64_t>(i);
    asm volatile("" : "+r"(value));
  }
  return value;
}

void static_guards() {
  static const uint64_t value = slow_value();
  check(value == uint64_t{200'000} * 199'999 / 2, "a static was seen before it was there");
}

struct Unwinds {
  int& count;
  ~Unwinds() {
    for (int i = 0; i < 100; ++i) asm volatile("");
    ++count;
  }
};

[[gnu::noinline]] void throws_at(int depth, int& unwound) {
  const Unwinds frame{unwound};
  if (depth == 0) throw std::string(40, 'x');
  throws_at(depth - 1, unwound);
}

void exceptions() {
  int unwound = 0, caught = 0;
  for (int i = 0; i < 20; ++i) {
    try {
      throws_at(i, unwound);
    } catch (const std::string& text) {
      for (size_t k = 0; k < text.size(); ++k) asm volatile("");
      caught += text.size() == 40;
    }
  }
  check(caught == 20 && unwound == 210, "an exception was lost");
  try {
    library_throw_if(true);
    check(false, "the library did not throw");
  } catch (const std::out_of_range&) {
    library_throw_if(false);
  }
}

// What to call is in variables of the thread until the function runs, and clang keeps their addresses. Not inlined: a caller that
// waits otherwise must not keep them.
[[gnu::noinline]] void once() {
  for (int i = 0; i < 20; ++i) {
    std::once_flag flag;
    int ran = 0;
    for (int k = 0; k < 2; ++k) std::call_once(flag, [&ran, k] { ran += 1 + k; });
    check(ran == 1, "a once ran another's function");
  }
}

void callbacks() {
  std::vector<uint64_t> values(500);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i * 7919 % 503;
  library_sort(values.data(), values.size());
  check(std::is_sorted(values.begin(), values.end()), "the library's qsort did not sort");
  std::qsort(values.data(), values.size(), sizeof values[0], [](const void* a, const void* b) {
    const uint64_t left = *static_cast<const uint64_t*>(a), right = *static_cast<const uint64_t*>(b);
    return (left < right) - (left > right);
  });
  check(std::is_sorted(values.rbegin(), values.rend()), "qsort did not sort");
}

void comdats() {
  std::vector<uint64_t> values(300);
  std::iota(values.begin(), values.end(), uint64_t{1});
  const uint64_t here = weighted_sum(values.data(), values.size());
  check(here == plain_sum(values.data(), values.size()), "the plain unit's sum differs");
  check(here == uint64_t{300} * 299 / 2 + uint64_t{299} * 300 * 599 / 6, "the sum is wrong");
  check(library_primes_below(5000) == 669, "the library counts primes wrongly");
}

// An interpreter with a label a code, as such programs have.
uint64_t computed_goto(uint64_t steps) {
  static const void* const kLabels[] = {&&add, &&twice, &&fewer, &&end};
  static const uint8_t kCode[] = {0, 1, 0, 2, 3};
  uint64_t value = 0, left = steps;
  size_t at = 0;
  goto *kLabels[kCode[at++]];
add:
  value += 3;
  goto *kLabels[kCode[at++]];
twice:
  value = value * 2 % 1'000'003;
  goto *kLabels[kCode[at++]];
fewer:
  if (--left != 0) at = 0;
  goto *kLabels[kCode[at++]];
end:
  return value;
}

// More than a page of frame: the compiler probes it, in a loop.
[[gnu::noinline]] uint64_t large_frame(int depth) {
  volatile unsigned char frame[20'000];
  for (size_t i = 0; i < sizeof frame; i += 512) frame[i] = static_cast<unsigned char>(depth);
  return frame[512] + (depth > 0 ? large_frame(depth - 1) : 0);
}

int compare_and_swap(std::atomic<int>& value) {
  int old = value.load();
  while (!value.compare_exchange_weak(old, old * 5 / 4 + 1)) {}
  return value.fetch_or(1);
}

// The counter in the asm keeps the loops from being unrolled.
[[gnu::noinline]] void turns(int n) {
  for (int i = 0; i < n; ++i) asm volatile("" : "+r"(i));
}

thread_local bool busy = false;
thread_local std::vector<int> scratch;
std::atomic<int> leaving{0};

// Nobody else gets at variables of the thread between two instructions, neither the program's own nor libc's. Not inlined: its
// caller waits, and compilers keep the address of a thread_local.
[[gnu::noinline]] void uses_variables_of_the_thread(locale_t mine) {
  for (int i = 0; i < 100; ++i) {
    check(!busy, "two are in the middle of one thread's variable");
    busy = true;
    uselocale(mine);
    scratch.clear();
    for (int k = 0; k < 20; ++k) scratch.push_back(k);
    turns(50);
    check(scratch.size() == 20, "a thread's vector has another's elements");
    check(uselocale(nullptr) == mine, "the locale is another's");
    uselocale(LC_GLOBAL_LOCALE);
    busy = false;
  }
}

void variables_of_the_thread() {
  static const locale_t kLocales[] = {newlocale(LC_ALL_MASK, "C", nullptr), newlocale(LC_ALL_MASK, "C.UTF-8", nullptr)};
  uses_variables_of_the_thread(kLocales[leaving.fetch_add(1) % 2]);
}

// Whoever is told to stop runs callbacks that their owner waits for, if it is not the same thread.
void stop_callbacks() {
  for (int i = 0; i < 5; ++i) {
    std::stop_source stop;
    std::atomic<bool> over{false}, begun{false};
    reprise::WaitGroup done;
    auto work = [&] {
      begun = true;
      turns(500);
      over = true;
    };
    std::optional<std::stop_callback<decltype(work)>> callback(std::in_place, stop.get_token(), work);
    done.add(1);
    reprise::go([&, done]() mutable {
      stop.request_stop();
      done.done();
    });
    turns(100 * i);
    callback.reset();
    check(!begun || over, "a callback outlived its stop_callback");
    done.wait();
  }
}

// One holds the FILE while others print to it.
void locked_files(std::FILE* file) {
  static int inside = 0;
  for (int i = 0; i < 20; ++i) {
    flockfile(file);
    check(inside++ == 0, "two hold one FILE");
    for (int k = 0; k < 20; ++k) putc_unlocked('x', file);
    turns(50);
    check(--inside == 0, "a FILE was locked by two");
    funlockfile(file);
    std::fprintf(file, "%d\n", i);
  }
}

uint64_t thread_pointer() {
  uint64_t pointer;
  asm volatile("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

// The address of a variable of the thread, once made, is right behind `call`.
template <class Call>
void keeps_the_thread(Call call, const char* what) {
  const uint64_t before = thread_pointer();
  call();
  check(thread_pointer() == before, what);
}

void free_locks() {
  std::mutex mine;
  for (int i = 0; i < 20; ++i) {
    keeps_the_thread([&] { mine.lock(); }, "another thread behind a free lock");
    turns(20);
    keeps_the_thread([&] { mine.unlock(); }, "another thread behind an unlock");
  }
}

// One calls, who comes meanwhile waits. Not inlined, as once().
[[gnu::noinline]] void once_for_all(std::once_flag& flag, int& called) {
  const auto function = [&] {
    for (int i = 0; i < 5; ++i) {
      turns(50);
      reprise::yield();
    }
    ++called;
  };
  keeps_the_thread([&] { std::call_once(flag, function); }, "another thread behind std::call_once");
  check(called == 1, "a once was not called once");
}

// More than there are threads' variables to be kept.
void many_wait_for_one() {
  constexpr int kMany = 200;
  std::once_flag flag;
  reprise::WaitGroup come(kMany), done;
  for (int i = 0; i < kMany; ++i) {
    done.add(1);
    reprise::go([&flag, come, done]() mutable {
      come.done();
      keeps_the_thread([&] { std::call_once(flag, [&] { come.wait(); }); }, "another thread behind a once of many");
      free_locks();
      done.done();
    });
  }
  done.wait();
}

struct Rounds {
  std::once_flag flags[kRounds];
  int called[kRounds] = {};
};

void work(std::atomic<int>& shared, std::FILE* file, Rounds& rounds) {
  for (int round = 0; round < kRounds; ++round) {
    static_guards();
    exceptions();
    once();
    once_for_all(rounds.flags[round], rounds.called[round]);
    free_locks();
    callbacks();
    comdats();
    variables_of_the_thread();
    stop_callbacks();
    locked_files(file);
    check(computed_goto(1000) == computed_goto(1000), "the interpreter differs from itself");
    check(large_frame(3) == 6, "a large frame was overwritten");
    shared.store(round);
    check(compare_and_swap(shared) >= 0, "a compare-and-swap");
  }
}

// Waits without a scheduling point: only a tick lets the other run.
void spins_until_the_other_runs() {
  std::atomic<bool> go_on{false};
  reprise::WaitGroup done;
  done.add(1);
  reprise::go([&, done]() mutable {
    go_on.store(true);
    done.done();
  });
  while (!go_on.load(std::memory_order_relaxed)) {}
  done.wait();
}

REPRISE_UNCOUNTED void turns_uncounted(int n) {
  for (int i = 0; i < n; ++i) asm volatile("" : "+r"(i));
}

uint64_t ticks_of(void (*function)(int), int n) {
  const uint64_t before = reprise::rt::ticks_elapsed();
  function(n);
  return reprise::rt::ticks_elapsed() - before;
}

bool counted_at(const void* function) {
  return reprise::rt::in_counted_text(reinterpret_cast<uint64_t>(function));
}

void ticks_are_exact() {
  // One at the entry and one at each back edge, of which there is one less if the loop tests at its end.
  const uint64_t one = ticks_of(turns, 1);
  check(one == 1 || one == 2, "one turn is neither one tick nor two");
  check(ticks_of(turns, 1000) == one + 999, "a thousand turns are not a thousand ticks");
  check(ticks_of(turns_uncounted, 1000) == 0, "an uncounted function counts");
}

void text_is_told_apart() {
  check(counted_at(reinterpret_cast<void*>(turns)), "a counted function is not");
  check(counted_at(reinterpret_cast<void*>(library_primes_below)), "the library's function is not counted");
  check(!counted_at(reinterpret_cast<void*>(turns_uncounted)), "an uncounted function is counted");
  check(!counted_at(reinterpret_cast<void*>(plain_sum)), "a plain function is counted");
  check(!counted_at(reinterpret_cast<void*>(std::qsort)), "libc is counted");
  check(!counted_at(reinterpret_cast<void*>(reprise::rt::ticks_elapsed)), "the runtime is counted");
}

int counted_cases_main(int, char**) {
  std::atomic<int> shared{0};
  Rounds rounds;
  std::FILE* const file = std::fopen("/dev/null", "w");
  check(file != nullptr, "/dev/null does not open");
  reprise::WaitGroup done;
  for (int i = 0; i < kGoroutines; ++i) {
    done.add(1);
    reprise::go([&, done]() mutable {
      work(shared, file, rounds);
      done.done();
    });
  }
  done.wait();
  std::fclose(file);
  many_wait_for_one();
  if (reprise::rt::counted_program()) {
    spins_until_the_other_runs();
    ticks_are_exact();
    text_is_told_apart();
    std::printf("counted ");
  }
  std::printf("ok\n");
  return 0;
}

}  // namespace

REPRISE_MAIN(counted_cases_main)
