// Bugs that show only where networks and disks fail, each with its correct twin: bodies for explorations in a
// simulated world.
//
// A bug is a function `void name(bool fixed)` that panics when it has happened; README.md says what is wrong
// with each. Thread safety: each call is a program of its own. REQUIRES: a simulated world.
#pragma once

#include <span>

namespace sim_bugs {

struct Bug {
  const char* name;
  void (*run)(bool fixed);
  const char* faults;  // without which it never happens; "none": a crash alone does it
};

void retried_deposit(bool fixed);
void lost_settings(bool fixed);
void torn_log(bool fixed);

std::span<const Bug> all();

}  // namespace sim_bugs
