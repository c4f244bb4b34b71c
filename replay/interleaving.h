// Interleaving: the operations of an observed run, which pairs of them could be swapped, and who waits for
// whom at its end.
//
// Pure functions of an Observation. What an operation conflicts with is told by the accesses that its
// goroutine announced: another goroutine's operation on the same object, one of both a write.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "replay/observation.h"

namespace reprise::trace {

// An announced operation.
struct Operation {
  seam::GoId goroutine;
  uint64_t goid = 0;
  uint64_t own_step = 0;
  seam::OpKind op = seam::OpKind::resume;
  seam::Site site = 0;
  std::vector<seam::Access> accesses;
  size_t announced = 0;  // index of its happening
  size_t executed = 0;   // where it was done: later, if its goroutine was stopped before it
  bool preempted = false;
  bool blocked = false;  // its goroutine waited in it
};

// In the order in which they were done.
std::vector<Operation> operations_of(const Observation& run);

// Two operations by different goroutines, `first` done first: indices of operations_of().
struct Pair {
  size_t first = 0, second = 0;
  seam::ObjectId object;
};

// The pairs that conflict and that no spawn and no wake-up orders, the last one first; wait groups behind all else.
std::vector<Pair> reversible_pairs(const Observation& run, const std::vector<Operation>& operations);

// `run` again with that pair the other way round, and nothing else: the first one's goroutine is stopped
// before it until the second one is done, and does it then.
Deviations with_swapped(const Deviations& run, const Operation& first, const Operation& second);

// Whether `run` did it the other way round.
bool is_swapped(const Observation& run, const Operation& first, const Operation& second);

// Who waits at the end of a run.
struct Waiting {
  seam::GoId goroutine;
  uint64_t goid = 0;
  bool announced = false;
  Operation in;                      // if it announced one
  std::vector<seam::GoId> for_whom;  // holders of the lock, or those alive that have to do with the object
  bool holders = false;             // of a lock: nobody else can end this wait
};
std::vector<Waiting> waiting_at_end(const Observation& run);

// The goroutines of a cycle, each waiting for the next; empty if there is none.
std::vector<seam::GoId> cycle_of(const std::vector<Waiting>& waiting);

}  // namespace reprise::trace
