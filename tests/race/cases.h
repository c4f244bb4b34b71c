// Small programs that race or do not, after the behaviours that Go's race detector is tested with; each is the
// body of an exploration (cases_main.cc). Written for the checked flavour.
//
// Thread safety: one case at a time; all state of a case is its own.
#pragma once

#include <reprise/go.h>
#include <reprise/sync.h>

#include <span>

namespace race_cases {

struct Case {
  const char* name;
  bool races;
  void (*run)();
};

// Runs each function on a goroutine of its own and waits for all.
template <class... F>
void together(F... f) {
  reprise::WaitGroup all;
  (
      [&] {
        all.add(1);
        reprise::go([f, all]() mutable {
          f();
          all.done();
        });
      }(),
      ...);
  all.wait();
}

// Keeps a value, and what it came from, from being optimised away.
template <class T>
void use(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

std::span<const Case> memory_cases();
std::span<const Case> lock_cases();
std::span<const Case> channel_cases();
std::span<const Case> atomic_cases();
std::span<const Case> life_cases();
// With threads of the program's own: looked at under the stage only.
std::span<const Case> thread_cases();
// The same, in an exploration, where nothing is reported of them.
std::span<const Case> unfollowed_cases();

}  // namespace race_cases
