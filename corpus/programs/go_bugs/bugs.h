// Bugs of the kinds that Go programs have, each with its correct twin: small bodies for explorations.
//
// The classes are those of Tu, Liu, Song, Zhang, "Understanding Real-World Concurrency Bugs in Go", ASPLOS 2019;
// the programs are written anew. A bug is a function `void name(bool fixed)`; README.md says what is wrong with
// each. Thread safety: each call is a program of its own.
#pragma once

#include <span>

namespace go_bugs {

struct Bug {
  const char* name;
  void (*run)(bool fixed);
};

// By class, in the order of README.md.
std::span<const Bug> locks();
std::span<const Bug> conditions();
std::span<const Bug> groups();
std::span<const Bug> channels();
std::span<const Bug> selects();
std::span<const Bug> times();

std::span<const Bug> all();

}  // namespace go_bugs
