// One case in one process: the clock, the checks, the command line. Shared by reprise-bench-cases and its Boost peer.
#include "tools/bench/cases/case.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace reprise::bench {

namespace {

int64_t now_ns(clockid_t clock) {
  timespec at;
  clock_gettime(clock, &at);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}

const Case* find(std::span<const Case> cases, const char* name) {
  for (const Case& known : cases) {
    if (std::strcmp(known.name, name) == 0) return &known;
  }
  return nullptr;
}

int list(std::span<const Case> cases) {
  for (const Case& known : cases) std::printf("%s\n", known.name);
  return 0;
}

int usage(const char* program) {
  std::fprintf(stderr, "usage: %s CASE OPS | --list\n", program);
  return 64;
}

int run_one(const Case& chosen, uint64_t ops) {
  Run warm_up(ops / 8 != 0 ? ops / 8 : 1, chosen.arg);
  chosen.run(warm_up);
  Run run(ops, chosen.arg);
  chosen.run(run);
  std::printf("{\"ops\":%llu,\"ns\":%.3f,\"cpu_ns\":%.3f}\n", static_cast<unsigned long long>(run.done()), run.ns_per_op(),
              run.cpu_ns_per_op());
  return 0;
}

}  // namespace

void Run::start() {
  cpu_ns_ = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  wall_ns_ = now_ns(CLOCK_MONOTONIC);
}

void Run::stop() {
  wall_ns_ = now_ns(CLOCK_MONOTONIC) - wall_ns_;
  cpu_ns_ = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns_;
}

double Run::ns_per_op() const {
  return measured_ns_ >= 0 ? measured_ns_ : static_cast<double>(wall_ns_) / static_cast<double>(done());
}

double Run::cpu_ns_per_op() const { return static_cast<double>(cpu_ns_) / static_cast<double>(done()); }

void Run::check(bool holds, const char* what) const {
  if (holds) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::exit(1);
}

int main_of(std::span<const Case> cases, int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list(cases);
  if (argc != 3) return usage(argv[0]);
  const Case* const chosen = find(cases, argv[1]);
  const long long ops = std::atoll(argv[2]);
  if (chosen == nullptr || ops <= 0) return usage(argv[0]);
  return run_one(*chosen, static_cast<uint64_t>(ops));
}

}  // namespace reprise::bench
