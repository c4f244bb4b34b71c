// The child of an exploration: what it writes for its parent, and its two ways to run.
//
// Thread safety: the parent reads the board after the child has ended, but for the words that tell of
// progress, which it only compares with what they were.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include <reprise/explore.h>

#include "tools/testing/answers.h"

namespace reprise::testing {

// Shared by parent and child.
struct Board {
  std::atomic<uint64_t> run{0};        // the schedule that is running; parent: where to begin
  uint64_t done = 0;                   // schedules that have ended, in this child and before
  uint64_t steps = 0;                  // the longest schedule so far
  bool finished = false;               // nothing is left to explore; repeat: it came to its end
  FailureKind kind = FailureKind::none;
  char message[1024] = {};
  AnswerLog log;

  void fail(FailureKind failure, std::string_view text);
};

struct World {
  bool simulated = false;
  uint32_t faults = 0;  // seam::FaultSet
};

struct ChildTask {
  const ExploreOptions* options;
  const std::function<void()>* body;
  const ExploreFramework* framework;
  Board* board;
  uint64_t last;                        // runs from board->run up to this one, not included
  std::chrono::steady_clock::time_point until;
  World world;
};

// Runs schedules until one fails, then ends; silent. REQUIRES: a forked child, under a policy.
[[noreturn]] void search(const ChildTask& task, std::unique_ptr<seam::Policy> policy);

// Runs one schedule from its answers. What the runtime prints about the failure goes to stderr. Returns if
// the schedule passes or fails an expectation; board->kind says.
void repeat(const ChildTask& task, std::vector<Answer> answers);

// The same in a program that is recorded or replayed: the run's own policy is stood in for. Ends the process if
// the schedule fails. REQUIRES: under the stage.
void repeat_recorded(const ChildTask& task, const std::vector<Answer>& answers);

}  // namespace reprise::testing
