// The native soak: every kind of work at once for as long as asked, nothing lost, nothing leaked.
//
//   native_soak [--seconds N] [--warm-up N] [--lanes N] [--seed N] [--only LOAD] [--steady-procs]
//
// Each load runs in `lanes` goroutines, round after round; a round's units must come out as they went
// in. Meanwhile gomaxprocs() changes now and then. A warm-up comes first, so that free lists, idle
// threads and arenas have their size; then goroutines, descriptors, threads, mappings and memory are
// noted, and at the end they must be back there. Threads and memory have slack: how many calls block at
// once is chance, and free lists keep what they had.
//
// A watchdog thread prints every goroutine and ends the process if no round ends for two minutes.
#include <dirent.h>
#include <reprise/reprise.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/soak/loads.h"

namespace reprise::soak {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Options {
  int64_t seconds = 60;
  int64_t warm_up = 5;
  uint64_t lanes = 2;
  uint64_t seed = 1;
  std::string only;
  bool steady_procs = false;
};

struct Resources {
  uint64_t goroutines = 0, descriptors = 0, threads = 0, mappings = 0, rss_kib = 0;
};

struct LoadState {
  Load load;
  std::atomic<uint64_t> rounds{0}, units{0};
};

std::atomic<bool> stopping{false};
std::atomic<uint64_t> rounds_ended{0};
std::atomic<bool> failed{false};

uint64_t entries(const char* folder) {
  uint64_t n = 0;
  DIR* dir = opendir(folder);
  if (dir == nullptr) return 0;
  while (readdir(dir) != nullptr) ++n;
  closedir(dir);
  return n;
}

Resources take_stock() {
  Resources now;
  now.goroutines = num_goroutine();
  now.descriptors = entries("/proc/self/fd");
  now.threads = entries("/proc/self/task");
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++now.mappings;
  uint64_t total, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  now.rss_kib = resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / 1024;
  return now;
}

void print(const char* what, const Resources& r) {
  std::printf("%s: %lu goroutines, %lu descriptors, %lu threads, %lu mappings, %lu KiB\n", what,
              r.goroutines, r.descriptors, r.threads, r.mappings, r.rss_kib);
  std::fflush(stdout);
}

void run_lane(LoadState& state, uint64_t seed) {
  Random random(seed);
  while (!stopping.load()) {
    const uint64_t round_seed = random.next();
    Random own(round_seed);
    Tally tally;
    state.load.round(tally, own);
    if (tally.in != tally.out || tally.wrong != 0) {
      std::printf("FAILED: %s, seed %lu: %lu units in, %lu out, %lu wrong\n", state.load.name,
                  round_seed, tally.in.load(), tally.out.load(), tally.wrong.load());
      failed.store(true);
      stopping.store(true);
    }
    state.units.fetch_add(tally.out);
    state.rounds.fetch_add(1);
    rounds_ended.fetch_add(1);
  }
}

void vary_procs(uint64_t seed) {
  Random random(seed);
  const int most = gomaxprocs();
  while (!stopping.load()) {
    sleep_for(milliseconds(20 + random.below(200)));
    gomaxprocs(1 + static_cast<int>(random.below(static_cast<uint64_t>(most))));
  }
  gomaxprocs(most);
}

void print_progress(std::vector<std::unique_ptr<LoadState>>& loads, int64_t minute) {
  std::printf("minute %ld:", minute);
  for (const auto& state : loads) std::printf(" %s %lu/%lu", state->load.name, state->rounds.load(), state->units.load());
  std::printf("\n");
  std::fflush(stdout);
}

// Runs all loads for a time and waits until they are through.
void run_for(std::vector<std::unique_ptr<LoadState>>& loads, const Options& options,
             int64_t duration, uint64_t seed) {
  stopping.store(false);
  WaitGroup lanes;
  Random random(seed);
  for (auto& state : loads) {
    for (uint64_t i = 0; i < options.lanes; ++i) {
      lanes.add(1);
      go([&state = *state, lanes, lane_seed = random.next()]() mutable {
        run_lane(state, lane_seed);
        lanes.done();
      });
    }
  }
  if (!options.steady_procs) {
    lanes.add(1);
    go([lanes, lane_seed = random.next()]() mutable {
      vary_procs(lane_seed);
      lanes.done();
    });
  }
  const TimePoint begun = now();
  for (int64_t minute = 1; now() - begun < seconds(duration) && !stopping.load();) {
    sleep_for(milliseconds(50));
    if (now() - begun < seconds(60 * minute)) continue;
    print_progress(loads, minute++);
  }
  stopping.store(true);
  lanes.wait();
}

// Goroutines that have said that they are done still have their last instructions to run, and so have
// threads that were joined.
void settle() {
  for (int i = 0; i < 1000 && num_goroutine() > 1; ++i) sleep_for(milliseconds(1));
  sleep_for(milliseconds(200));
}

bool within(const char* what, uint64_t before, uint64_t after, uint64_t slack) {
  if (after <= before + slack) return true;
  std::printf("FAILED: %s: %lu before, %lu after\n", what, before, after);
  return false;
}

bool compare(const Resources& before, const Resources& after) {
  bool good = within("goroutines", before.goroutines, after.goroutines, 0);
  good &= within("descriptors", before.descriptors, after.descriptors, 0);
  good &= within("threads", before.threads, after.threads, 32);
#ifndef REPRISE_SANITIZED  // a sanitizer keeps what it has seen
  good &= within("mappings", before.mappings, after.mappings, 256);
  good &= within("memory in KiB", before.rss_kib, after.rss_kib, before.rss_kib / 2 + (32 << 10));
#endif
  return good;
}

void watchdog() {
  constexpr int kPatience = 120;
  uint64_t seen = 0;
  for (int idle = 0; idle < kPatience;) {
    std::this_thread::sleep_for(seconds(1));
    const uint64_t rounds = rounds_ended.load();
    idle = rounds == seen ? idle + 1 : 0;
    seen = rounds;
  }
  std::fprintf(stderr, "FAILED: no round ended for %d seconds\n", kPatience);
  kill(getpid(), SIGQUIT);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--steady-procs") options.steady_procs = true;
    else if (name == "--seconds") options.seconds = std::atoll(value), ++i;
    else if (name == "--warm-up") options.warm_up = std::atoll(value), ++i;
    else if (name == "--lanes") options.lanes = std::strtoull(value, nullptr, 10), ++i;
    else if (name == "--seed") options.seed = std::strtoull(value, nullptr, 10), ++i;
    else if (name == "--only") options.only = value, ++i;
    else {
      std::fprintf(stderr, "native_soak: unknown option %s\n", name.c_str());
      std::exit(64);
    }
  }
  return options;
}

std::vector<std::unique_ptr<LoadState>> chosen_loads(const Options& options) {
  std::vector<std::unique_ptr<LoadState>> loads;
  for (const auto set : {core_loads(), io_loads(), cxx_loads()}) {
    for (const Load& load : set) {
      if (!options.only.empty() && options.only != load.name) continue;
      loads.push_back(std::make_unique<LoadState>());
      loads.back()->load = load;
    }
  }
  return loads;
}

int soak(int argc, char** argv) {
  const Options options = parse(argc, argv);
  auto loads = chosen_loads(options);
  if (loads.empty()) {
    std::fprintf(stderr, "native_soak: no load %s\n", options.only.c_str());
    return 64;
  }
  std::thread(watchdog).detach();
  std::printf("%d Ps, %zu loads in %lu lanes each, seed %lu\n", gomaxprocs(), loads.size(),
              options.lanes, options.seed);
  run_for(loads, options, options.warm_up, options.seed);
  settle();
  const Resources before = take_stock();
  print("before", before);
  if (!failed.load()) run_for(loads, options, options.seconds, options.seed + 1);
  settle();
  const Resources after = take_stock();
  print("after", after);
  print_progress(loads, (options.seconds + options.warm_up) / 60);
  const bool good = compare(before, after) && !failed.load();
  std::printf("%s\n", good ? "nothing lost, nothing leaked" : "FAILED");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace reprise::soak

int app(int argc, char** argv) { return reprise::soak::soak(argc, argv); }
REPRISE_MAIN(app)
