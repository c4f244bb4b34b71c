// Schedules: one body run many times in one process, each time as if it were the first.
//
// An explorer's goroutine opens, runs a body under one schedule after another, and closes. While a
// schedule runs the explorer is parked and no candidate of any decision; it comes back when nothing can
// run any more and nothing will, which is how a schedule ends: whoever is then left waits for ever.
// Steps, goroutine ids, names and the virtual clock start from the same values every time, so that a
// schedule is a function of the policy's answers. Stacks and goroutines are used again: a schedule maps
// nothing and makes no system call.
//
// Thread safety: one explorer a process. REQUIRES: a goroutine that nobody else is beside.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/seam/policy.h"

namespace reprise::rt {

// Told of what ends the process from inside a schedule, before anything is printed. They may end it
// themselves, or return: then the runtime goes on as ever. Any stack; no allocation, no locks.
struct ScheduleHooks {
  void (*dying)(seam::Outcome::Kind kind, std::string_view message) = nullptr;
  void (*too_long)() = nullptr;  // more than max_steps; returns: the schedule goes on
};

// Installs the policy, which must outlive schedules_close(), and virtual time. Null: the policy of a controlled
// run stays.
void schedules_open(seam::Policy* policy, const ScheduleHooks& hooks);
// REQUIRES: the last schedule left nothing.
void schedules_close();

struct ScheduleEnd {
  uint64_t steps;
  uint64_t goroutines_left;  // they wait, and nobody is there to wake them
  bool timers_left;          // one fires again and again with nobody listening
};

// Runs fn(arg) on a new goroutine under the installed policy until nothing can run any more. A schedule
// that left something cannot be followed by another.
ScheduleEnd run_schedule(void (*fn)(void*), void* arg, uint64_t max_steps);

// Prints every goroutine and ends the process, as the runtime does when all are asleep.
[[noreturn]] void die_of_deadlock();

// Whether goroutines that can never run again end the run though others go on: explorations and the runs of
// `reprise fuzz`, and what replays them. Everywhere else the program does what it does.
bool ends_when_stuck();

// ---- for the scheduler ----
// The explorer waits: what runs belongs to a schedule. Any stack.
bool schedule_runs();
// Nothing is ready, and no timer, descriptor or thread will change that: true if an explorer was
// waiting for just this, and is ready now. g0.
bool schedule_ended();
// The virtual clock jumps to a timer: true if that went on for so long without effect that the schedule
// has ended. g0.
bool schedule_idles();
extern ScheduleHooks schedule_hooks;  // empty unless open

}  // namespace reprise::rt
