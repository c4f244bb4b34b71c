// Four goroutines add to shared counters without a lock: between a load and its store another may run.
//
//   racy_counter [--rounds N]     racy_counter_fixed: the same with atomic additions
//
// There is no scheduling point between the load and the store, so plain code never loses an update
// under the seam, nor does a preemption at a tick, which lies beside them. Preempted between
// two instructions it does. The rest of a round is there for what else an instruction may be in the
// middle of: `rep` string copies, malloc, recursion, vector code, a throw; each checks itself, and the
// program ends with 1 if one is wrong. Prints the counters, and how many updates were lost.
#include <reprise/reprise.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kGoroutines = 4;
constexpr int kCounters = 4;

std::array<uint64_t, kCounters> counters;

#ifdef RACY_COUNTER_FIXED
void increment(uint64_t& counter) { std::atomic_ref(counter).fetch_add(1, std::memory_order_relaxed); }
#else
// In registers between load and store, as a compiler would have it for any larger expression.
void increment(uint64_t& counter) {
  uint64_t value = counter;
  asm volatile("" : "+r"(value));
  value = value * 3 - 2 * value + 1;
  asm volatile("" : "+r"(value));
  counter = value;
}
#endif

[[noreturn]] void wrong(const char* what) {
  std::fprintf(stderr, "racy_counter: %s went wrong\n", what);
  std::_Exit(1);
}

void check(bool right, const char* what) {
  if (!right) wrong(what);
}

void add_to_counters(int round) {
  for (int i = 0; i < 64; ++i) increment(counters[static_cast<size_t>(round + i) % kCounters]);
}

void copy_by_rep(std::vector<unsigned char>& from, std::vector<unsigned char>& to, int round) {
  std::memset(from.data(), round, from.size());
  const void* source = from.data();
  void* target = to.data();
  size_t count = from.size();
  asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
  check(count == 0 && std::memcmp(from.data(), to.data(), to.size()) == 0, "a rep movsb");
}

uint64_t allocate(int round) {
  std::vector<std::unique_ptr<std::string>> words;
  uint64_t bytes = 0;
  for (int i = 0; i < 20; ++i) {
    words.push_back(std::make_unique<std::string>(static_cast<size_t>(10 * i + round % 7), 'x'));
    bytes += words.back()->size();
  }
  return bytes;
}

uint64_t ackermann(uint64_t m, uint64_t n) {
  if (m == 0) return n + 1;
  return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

// Whole numbers in doubles: exact in whatever order the lanes are added.
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

uint64_t mix(const std::vector<uint32_t>& words) {
  uint32_t lanes[8] = {};
  for (size_t i = 0; i + 8 <= words.size(); i += 8)
    for (size_t lane = 0; lane < 8; ++lane) lanes[lane] += words[i + lane] ^ static_cast<uint32_t>(i);
  return std::accumulate(lanes, lanes + 8, uint64_t{0});
}

[[gnu::noinline]] void refuse(int depth, int& unwound) {
  struct Frame {
    int& unwound;
    ~Frame() { ++unwound; }
  };
  const Frame frame{unwound};
  if (depth == 0) throw std::runtime_error("refused");
  refuse(depth - 1, unwound);
}

bool throw_and_catch(int depth) {
  int unwound = 0;
  try {
    refuse(depth, unwound);
  } catch (const std::runtime_error& error) {
    return std::strcmp(error.what(), "refused") == 0 && unwound == depth + 1;
  }
  return false;
}

void work(int rounds) {
  std::vector<unsigned char> from(1000), to(1000);
  std::vector<double> a(512), b(512);
  std::iota(a.begin(), a.end(), 0.0);
  std::iota(b.begin(), b.end(), 1.0);
  std::vector<uint32_t> words(512);
  std::iota(words.begin(), words.end(), 7u);
  const double dot_once = dot(a, b);
  const uint64_t mixed_once = mix(words);
  for (int round = 0; round < rounds; ++round) {
    add_to_counters(round);
    copy_by_rep(from, to, round);
    check(allocate(round) == static_cast<uint64_t>(1900 + 20 * (round % 7)), "an allocation");
    check(ackermann(2, 3) == 9, "a recursion");
    check(dot(a, b) == dot_once, "a sum of doubles");
    check(mix(words) == mixed_once, "a sum of integers");
    check(throw_and_catch(round % 5), "a throw");
  }
}

int racy_counter(int argc, char** argv) {
  int rounds = 2000;
  if (argc == 3 && std::strcmp(argv[1], "--rounds") == 0) {
    rounds = std::atoi(argv[2]);
  } else if (argc != 1) {
    std::fprintf(stderr, "usage: racy_counter [--rounds N]\n");
    return 2;
  }
  reprise::WaitGroup done;
  for (int i = 0; i < kGoroutines; ++i) {
    done.add(1);
    reprise::go([=]() mutable {
      work(rounds);
      done.done();
    });
  }
  done.wait();
  uint64_t total = 0;
  for (const uint64_t counter : counters) {
    std::printf("%llu ", static_cast<unsigned long long>(counter));
    total += counter;
  }
  const uint64_t expected = uint64_t{kGoroutines} * static_cast<uint64_t>(rounds) * 64;
  std::printf("lost %lld of %llu\n", static_cast<long long>(expected - total),
              static_cast<unsigned long long>(expected));
  return 0;
}

}  // namespace

REPRISE_MAIN(racy_counter)
