// explore: runs a function under many schedules in this process until one of them fails.
//
//   const auto found = reprise::explore({.policy = "pos", .schedules = 1000}, [] {
//     …goroutines, channels, locks…
//   });
//
// The function is the body of a test: it starts on a goroutine of its own, with a virtual clock that
// begins anew, and must not leave goroutines or running tickers behind. It is run by the scheduler-policies of
// that name, one schedule after another, in a forked child; the first schedule that fails ends the
// exploration. What counts as a failure: a panic or fatal error, a crash, a failed expectation, all
// goroutines asleep, a data race (checked flavour, tools/checked/README.md), goroutines left behind at the end, more than max_steps steps, 30 s without a
// step. A failure is run again in a fresh child, from its answers alone: `confirmed` says whether it
// fails the same way there, which it does unless it depends on the schedules before it or on something
// that no policy decides. The answers are kept in a file; `replay_command` runs just that schedule, in
// one process without a fork, for a debugger. From them a trace is made: the program is started again under
// `reprise record`, and makes that schedule alone.
//
// What the process does outside the runtime (threads of its own, real files and sockets) is not
// controlled here.
//
// Thread safety: one exploration at a time. REQUIRES: called on the main goroutine of a program that was
// started directly, with no other goroutine alive.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace reprise {

struct ExploreOptions {
  std::string policy = "portfolio";  // a name of the catalog, or the path of a shared object
  uint64_t seed = 1;
  uint64_t schedules = 1000;
  std::chrono::milliseconds time{0};  // stop after that; 0: no limit
  uint64_t max_steps = 20'000;        // of one schedule: more is a livelock. The second half is fair
  // "simulated": sockets, pipes and epoll are this process's own (runtime/sim/README.md); what the network
  // does is part of the schedule. "real": descriptors are the kernel's.
  std::string world = "real";
  std::string faults = "none";        // of the simulated world: none, all, or of net,partition,file
  double fault_rate = 0.02;           // how often one happens where it could
  uint64_t batch = 0;                 // schedules in one child; 0: all. A policy that learns starts anew
  bool confirm = true;                // run a failure again, and keep it in a file
  std::string name = "schedule";      // of the file that a failure leaves
  bool trace = true;                  // and record it in a trace
  std::string replay_arguments;       // what the program needs on its command line to come here again,
                                      // separated by blanks; empty: what it was started with
};

enum class FailureKind : uint8_t {
  none, panic, fatal, crash, expectation, deadlock, leak, livelock, hang, exited, race,
};
std::string_view name_of(FailureKind kind);

struct Failure {
  FailureKind kind = FailureKind::none;
  std::string message;
  uint64_t run = 0;          // index of the schedule
  bool confirmed = false;
  std::string report;        // what the confirming child wrote: texts, stacks
  std::string file;          // the schedule; empty if it could not be written
  std::string replay_command;
  std::string trace;         // of the schedule, for reprise replay, shrink and explain; empty: there is none
  std::string trace_trouble; // why there is none, if one was to be made
};

struct Exploration {
  uint64_t schedules = 0;    // run, the failed one included
  bool finished = false;     // the policy had nothing left: all there is was seen
  std::optional<Failure> failure;
};

// Options that REPRISE_SEED, REPRISE_SCHEDULES, REPRISE_TIME (seconds) and REPRISE_POLICY override are
// taken from there. REPRISE_REPLAY=FILE runs the schedule of that file if it has the same name, and
// nothing otherwise; REPRISE_FAILURES=DIR is where files go (default: reprise-failures). REPRISE_COMMAND is the
// reprise command that records, REPRISE_STAGE=0 keeps it from that: then a failure has its schedule only.
Exploration explore(const ExploreOptions& options, const std::function<void()>& body);

// A failed expectation of the body, which goes on. For bodies without GoogleTest.
void expect(bool holds, std::string_view claim);

// 64 random bits that belong to the schedule: the same when it is replayed.
uint64_t explored_draw();

// What a test framework adds. Both are called in the child only.
struct ExploreFramework {
  std::function<void()> begin = {};          // before the first schedule
  std::function<std::string()> failures = {};  // after each: what it has to complain about, or nothing
};
Exploration explore(const ExploreOptions& options, const std::function<void()>& body,
                    const ExploreFramework& framework);

// A failure as text for people: what, where, how to replay it.
std::string describe(const ExploreOptions& options, const Exploration& exploration);

}  // namespace reprise
