// The classic kernels, by name: small programs with one known bug each, and their correct twins.
//
// Written anew after the programs that papers on concurrency testing measure with (SCTBench, Thomson,
// Donaldson, Betts, 2014, and its sources), so that numbers can be set beside theirs. README.md says what
// is wrong with each. Thread safety: each call is a program of its own.
#pragma once

#include <span>

namespace kernels {

void account(bool fixed);
void bluetooth_driver(bool fixed);
void carter01(bool fixed);
void circular_buffer(bool fixed);
void deadlock01(bool fixed);
void lazy01(bool fixed);
void queue(bool fixed);
void reorder_3(bool fixed);
void reorder_4(bool fixed);
void reorder_5(bool fixed);
void stack(bool fixed);
void token_ring(bool fixed);
void twostage(bool fixed);
void wronglock(bool fixed);

struct Kernel {
  const char* name;
  void (*run)(bool fixed);
  int threads;  // without the one that starts them
};

// In order of name.
std::span<const Kernel> all();

}  // namespace kernels
