// Explores every case under the random walk: one that races must be reported as such, and as nothing else, one
// that does not must pass every schedule.
//
//   race_cases            all
//   race_cases NAME       one, as a program of its own (under `reprise run`)
//   race_cases --threads  name of each with threads of its own, which is not explored, and 1 if it races
//
// A case whose race shows only in some interleavings of two goroutines of a dozen steps escapes 200 random ones
// with a chance below 1e-9.
#include <reprise/explore.h>
#include <reprise/main.h>

#include <cstdio>
#include <cstring>

#include "tests/race/cases.h"

namespace {

using race_cases::Case;

template <class F>
void for_each_explored(F f) {
  for (const auto cases : {race_cases::memory_cases(), race_cases::lock_cases(), race_cases::channel_cases(),
                           race_cases::atomic_cases(), race_cases::life_cases(), race_cases::unfollowed_cases()}) {
    for (const Case& c : cases) f(c);
  }
}

// What is wrong with it, empty if nothing.
std::string verdict(const Case& c) {
  const reprise::ExploreOptions options{.policy = "random", .seed = 1, .schedules = c.races ? 200u : 60u,
                                        .confirm = false, .name = c.name};
  const auto found = reprise::explore(options, c.run);
  if (!found.failure) return c.races ? "no race was reported" : "";
  const bool race = found.failure->kind == reprise::FailureKind::race;
  if (race && c.races) return "";
  return std::string(name_of(found.failure->kind)) + ": " + found.failure->message;
}

int explore_all() {
  int wrong = 0, all = 0;
  for_each_explored([&](const Case& c) {
    ++all;
    const std::string text = verdict(c);
    if (text.empty()) return;
    std::printf("%s, which %s: %s\n", c.name, c.races ? "races" : "does not race", text.c_str());
    ++wrong;
  });
  std::printf("%d cases, %d wrong\n", all, wrong);
  return wrong == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
  if (argc < 2) return explore_all();
  if (std::strcmp(argv[1], "--threads") == 0) {
    for (const Case& c : race_cases::thread_cases()) std::printf("%s %d\n", c.name, c.races);
    return 0;
  }
  int status = 64;
  const auto run_if_named = [&](const Case& c) {
    if (std::strcmp(argv[1], c.name) != 0) return;
    c.run();
    status = 0;
  };
  for_each_explored(run_if_named);
  for (const Case& c : race_cases::thread_cases()) run_if_named(c);
  return status;
}

}  // namespace

REPRISE_MAIN(run)
