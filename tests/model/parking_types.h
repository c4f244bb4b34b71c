// A goroutine that parks, for protocols in which somebody else readies it.
//
// gopark() publishes the goroutine by its commit and then waits; goready() may come as soon as the
// commit has published it. Readying a goroutine twice fails the execution.
#pragma once

#include <cstdint>

#include "tests/model/explorer.h"
#include "tests/model/family.h"

namespace reprise::model {

struct Goroutine {
  Event wake;
  uintptr_t word() { return reinterpret_cast<uintptr_t>(this); }

  // commit() false: somebody was faster, it does not park.
  template <class Commit>
  void park(Commit commit) {
    if (commit()) wake.wait();
  }
  void ready() { wake.set(); }
};

}  // namespace reprise::model
