// parallel [--rounds R] [--procs N] [KIND…]: how much faster N Ps (2) finish parallel work than one.
//
//   build/tools/reprise-bench-parallel
//
// Twelve seconds for the ten rounds. A round runs each kind of work at one P and at N, one right after
// the other, the order swapped in every second round, so that a machine that slows down slows both.
// For each kind it prints the fastest time of either, their ratio, the median of the rounds' ratios,
// and the CPU time that N Ps took for what one did: 1.00 means that no work was added. Where other
// programs compete for the CPUs the ratio of times says what they left over; the ratio of CPU times
// still tells what the scheduler costs, and N divided by it is the best that the times could show.
//
// Every run's result is compared with the first one's. Status 1 if one differs. A figure is no verdict:
// nothing here fails for being slow.
#include <reprise/reprise.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

double seconds(clockid_t clock) {
  timespec at;
  clock_gettime(clock, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

// `steps` dependent multiplications, some nanoseconds each.
uint64_t compute(uint64_t x, int steps) {
  for (int i = 0; i < steps; ++i) x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9 + 1;
  return x;
}

// ---- the kinds of work ---------------------------------------------------------------------------

// Goroutines that only compute, many more than Ps.
uint64_t goroutines() {
  constexpr int kCount = 64;
  uint64_t results[kCount];
  reprise::WaitGroup all;
  for (int i = 0; i < kCount; ++i) {
    all.add(1);
    reprise::go([&results, i, all]() mutable {
      results[i] = compute(static_cast<uint64_t>(i), 1'000'000);
      all.done();
    });
  }
  all.wait();
  uint64_t sum = 0;
  for (const uint64_t result : results) sum += result;
  return sum;
}

// A binary tree of goroutines: each starts one half, does the other, and waits.
uint64_t fork_join(uint64_t seed, int depth) {
  if (depth == 0) return compute(seed, 1'000);
  uint64_t left = 0;
  reprise::WaitGroup half;
  half.add(1);
  reprise::go([&left, half, seed, depth]() mutable {
    left = fork_join(2 * seed, depth - 1);
    half.done();
  });
  const uint64_t right = fork_join(2 * seed + 1, depth - 1);
  half.wait();
  return left + right;
}
uint64_t fork_join_tree() { return fork_join(1, 16); }

// A pipeline of three stages; `steps` of work for a value in each.
uint64_t pipeline(int values, int64_t capacity, int steps) {
  reprise::Chan<uint64_t> first(capacity), second(capacity);
  reprise::go([=] {
    for (int i = 0; i < values; ++i) first.send(compute(static_cast<uint64_t>(i), steps));
    first.close();
  });
  reprise::go([=] {
    for (const uint64_t v : first) second.send(compute(v, steps));
    second.close();
  });
  uint64_t sum = 0;
  for (const uint64_t v : second) sum += compute(v, steps);
  return sum;
}

uint64_t pipelines_of(int count, int values, int64_t capacity, int steps) {
  std::vector<uint64_t> sums(static_cast<size_t>(count));
  reprise::WaitGroup all;
  for (uint64_t& sum : sums) {
    all.add(1);
    reprise::go([&sum, all, values, capacity, steps]() mutable {
      sum = pipeline(values, capacity, steps);
      all.done();
    });
  }
  all.wait();
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}
uint64_t buffered_pipelines() { return pipelines_of(8, 4'000, 64, 500); }
uint64_t unbuffered_pipelines() { return pipelines_of(8, 4'000, 0, 500); }
// Next to no work: what is measured is channels and the scheduler.
uint64_t bare_pipelines() { return pipelines_of(8, 40'000, 64, 1); }

// Workers that take jobs from one channel and give results to another.
uint64_t worker_pool() {
  constexpr int kJobs = 20'000;
  reprise::Chan<uint64_t> jobs(128), results(128);
  for (int w = 0; w < 16; ++w) {
    reprise::go([=] {
      for (const uint64_t job : jobs) results.send(compute(job, 3'000));
    });
  }
  reprise::go([=] {
    for (uint64_t i = 0; i < kJobs; ++i) jobs.send(i);
    jobs.close();
  });
  uint64_t sum = 0;
  for (int i = 0; i < kJobs; ++i) sum += *results.recv();
  return sum;
}

// Work of their own, and a short critical section in common.
uint64_t shared_mutex() {
  constexpr int kGoroutines = 8;
  reprise::Mutex mutex;
  uint64_t sum = 0;
  reprise::WaitGroup all;
  for (int g = 0; g < kGoroutines; ++g) {
    all.add(1);
    reprise::go([&, g, all]() mutable {
      for (uint64_t i = 0; i < 20'000; ++i) {
        const uint64_t value = compute(i + static_cast<uint64_t>(g), 400);
        mutex.lock();
        sum += compute(value, 20);
        mutex.unlock();
      }
      all.done();
    });
  }
  all.wait();
  return sum;
}

// A lock that one goroutine a P fights for, a fifth of the work under it: what is measured is whether the one
// that comes second spins or parks, and its P with it.
uint64_t contended_mutex() {
  constexpr int kGoroutines = 2;
  reprise::Mutex mutex;
  uint64_t sum = 0;
  reprise::WaitGroup all;
  for (int g = 0; g < kGoroutines; ++g) {
    all.add(1);
    reprise::go([&, all]() mutable {
      for (uint64_t i = 0; i < 60'000; ++i) {
        const uint64_t value = compute(i, 400);
        mutex.lock();
        sum += compute(value, 100);
        mutex.unlock();
      }
      all.done();
    });
  }
  all.wait();
  return sum;
}

struct Kind {
  const char* name;
  uint64_t (*run)();
};
constexpr Kind kKinds[] = {
    {"goroutines", goroutines},           {"fork-join", fork_join_tree},
    {"pipelines", buffered_pipelines},    {"unbuffered pipelines", unbuffered_pipelines},
    {"worker pool", worker_pool},         {"shared mutex", shared_mutex},
    {"bare channels", bare_pipelines},    {"contended mutex", contended_mutex},
};

// ---- measuring -----------------------------------------------------------------------------------

struct Measured {
  double wall = 0, cpu = 0;
  uint64_t result = 0;
};

Measured measure(const Kind& kind, int procs) {
  reprise::gomaxprocs(procs);
  const double wall = seconds(CLOCK_MONOTONIC);
  const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  Measured measured;
  measured.result = kind.run();
  measured.wall = seconds(CLOCK_MONOTONIC) - wall;
  measured.cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  return measured;
}

struct Series {
  std::vector<double> wall_ratios, cpu_ratios;
  double best_one = 1e9, best_many = 1e9;
  uint64_t expected = 0;
  bool same = true;

  void add(const Measured& one, const Measured& many) {
    if (wall_ratios.empty()) expected = one.result;
    same = same && one.result == expected && many.result == expected;
    wall_ratios.push_back(one.wall / many.wall);
    cpu_ratios.push_back(many.cpu / one.cpu);
    best_one = std::min(best_one, one.wall);
    best_many = std::min(best_many, many.wall);
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Options {
  int rounds = 10;
  int procs = 2;
  std::vector<std::string> kinds;
};

int usage() {
  std::fprintf(stderr, "usage: reprise-bench-parallel [--rounds R] [--procs N] [KIND...]\n");
  return 64;
}

bool parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--rounds" || word == "--procs") {
      if (i + 1 == argc) return false;
      const int value = std::atoi(argv[++i]);
      if (value <= 0) return false;
      (word == "--rounds" ? options->rounds : options->procs) = value;
    } else if (std::any_of(std::begin(kKinds), std::end(kKinds),
                           [&](const Kind& kind) { return word == kind.name; })) {
      options->kinds.push_back(word);
    } else {
      return false;
    }
  }
  return true;
}

bool chosen(const Options& options, const Kind& kind) {
  return options.kinds.empty() ||
         std::find(options.kinds.begin(), options.kinds.end(), kind.name) != options.kinds.end();
}

}  // namespace

int app(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, &options)) return usage();
  Series series[std::size(kKinds)];
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t k = 0; k < std::size(kKinds); ++k) {
      if (!chosen(options, kKinds[k])) continue;
      const bool one_first = round % 2 == 0;
      const Measured a = measure(kKinds[k], one_first ? 1 : options.procs);
      const Measured b = measure(kKinds[k], one_first ? options.procs : 1);
      one_first ? series[k].add(a, b) : series[k].add(b, a);
    }
  }
  std::printf("%-22s %9s %9s %9s %9s %9s\n", "", "1 P ms", "N Ps ms", "ratio", "median", "CPU");
  bool same = true;
  for (size_t k = 0; k < std::size(kKinds); ++k) {
    const Series& s = series[k];
    if (s.wall_ratios.empty()) continue;
    std::printf("%-22s %9.1f %9.1f %9.2f %9.2f %9.2f%s\n", kKinds[k].name, s.best_one * 1e3,
                s.best_many * 1e3, s.best_one / s.best_many, median(s.wall_ratios),
                median(s.cpu_ratios), s.same ? "" : "  RESULTS DIFFER");
    same = same && s.same;
  }
  return same ? 0 : 1;
}
REPRISE_MAIN(app)
