// Computations of random_program, for the builds that count: updates that a preemption loses, copies by
// `rep`, vector code, recursion, exceptions, callbacks of libc, signal handlers in between.
#include <sys/time.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/property/random_world.h"

namespace random_program {
namespace {

// Read, then written: what came between is lost.
void race(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    uint64_t& word = world->raced[i % 4];
    uint64_t value = word;
    asm volatile("" : "+r"(value));
    value = value * 5 + 1;
    asm volatile("" : "+r"(value));
    word = value;
  }
  note(world->raced[0] ^ world->raced[3]);
}

void copy_by_rep(int rounds) {
  std::array<char, 3000> from, to;
  for (int i = 0; i < rounds; ++i) {
    std::memset(from.data(), i, from.size());
    const void* source = from.data();
    void* target = to.data();
    size_t count = from.size();
    asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
    note(static_cast<uint64_t>(to[static_cast<size_t>(i)]));
  }
}

void vectors(int rounds) {
  std::vector<double> numbers(300);
  std::iota(numbers.begin(), numbers.end(), 0.5);
  double sum = 0;
  for (int i = 0; i < rounds; ++i) {
    for (double& number : numbers) number = number * 1.25 + 1;
    for (const double number : numbers) sum += number;
  }
  uint64_t bits;
  std::memcpy(&bits, &sum, sizeof bits);
  note(bits);
}

[[gnu::noinline]] uint64_t fibonacci(uint64_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

[[gnu::noinline]] void throw_from(int depth) {
  const std::string local(static_cast<size_t>(20 + depth), 'd');
  if (depth == 0) throw local.size();
  throw_from(depth - 1);
  note(local.size());
}

void exceptions(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    try {
      throw_from(i % 6);
    } catch (size_t size) {
      note(size + world->raced[1]);
    }
  }
}

int by_remainder(const void* a, const void* b) {
  ++world->raced[2];
  return *static_cast<const int*>(a) % 97 - *static_cast<const int*>(b) % 97;
}

void sort_by_callback(int rounds) {
  std::vector<int> numbers(static_cast<size_t>(rounds) * 20);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(i * 7919 % 1009);
  std::qsort(numbers.data(), numbers.size(), sizeof numbers[0], by_remainder);
  note(static_cast<uint64_t>(numbers[numbers.size() / 2]));
}

std::atomic<uint64_t> alarms{0};
void on_alarm(int) { ++alarms; }

// The handler interrupts calls, and may run while others are preempted.
void computing_with_alarms(int rounds) {
  ::signal(SIGALRM, on_alarm);
  const itimerval often{{0, 300}, {0, 50}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  race(rounds * 40);
  vectors(rounds);
  if (rounds % 2) setitimer(ITIMER_REAL, &never, nullptr);
  note(alarms);
}

}  // namespace

void compute(int k) {
  switch (k) {
    case 5: race(3000); break;
    case 6: copy_by_rep(20); break;
    case 7: vectors(30); break;
    case 8:
      note(fibonacci(12));
      exceptions(20);
      break;
    default:
      sort_by_callback(10);
      computing_with_alarms(static_cast<int>(world->hash % 20));
  }
}

}  // namespace random_program
