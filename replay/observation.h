// Observation: what a run did, as the program's side of the seam wrote it to the side area.
//
// From it come the deviations that make the run again, and how a run compares with another. Plain values,
// one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "replay/tape_file.h"
#include "runtime/seam/policy.h"
#include "runtime/seam/side.h"

namespace reprise::trace {

using Deviations = std::vector<tape::Deviation>;  // sorted by key

struct Happening {
  tape::Observed head;

  seam::OpKind op() const { return static_cast<seam::OpKind>(head.op); }
  seam::DecisionKind kind() const { return static_cast<seam::DecisionKind>(head.op); }
  bool is(tape::Observed::What what) const { return head.what == what; }
  bool is_choice(seam::DecisionKind of) const { return is(tape::Observed::What::choice) && kind() == of; }
};

struct Observation {
  std::vector<Happening> happenings;
  uint64_t missed = 0;  // earlier ones, for which there was no room
  bool ended = false;   // the runtime said how; a crash says nothing
  seam::Outcome::Kind outcome = seam::Outcome::Kind::ok;
  int exit_status = 0;
  std::string message;
};

inline constexpr uint64_t kHappenings = 1 << 20;  // room for so many, unless otherwise said

// Gives the tape a side area with these deviations in it, and room for `most` of them. REQUIRES: no program on the
// tape yet.
Error prepare_side(TapeFile& tape, const Deviations& deviations, uint64_t happenings, uint64_t most = 0);

// The area as it was, with other deviations: for the next run of a fork server. False: there is no room for so many.
bool renew_side(const TapeFile& tape, const Deviations& deviations);

// REQUIRES: prepare_side(), and the program is gone.
Observation observation_of(const TapeFile& tape);

// What a run of the steered policy has to be told to become this one: sorted. Preemptions inside
// computations of counted code cannot be told; interruptions_of() counts them.
Deviations deviations_of(const Observation& run);
uint64_t interruptions_of(const Observation& run);

// What else could have been chosen, one deviation each: first who else could have gone on where somebody waited, gave
// way or ended, then who could have gone ahead of an operation. In the order of the run; not sorted.
Deviations alternatives_of(const Observation& run);

// A choice at which a goroutine was stopped before the operation it had announced, and another ran.
bool is_preemption(const Happening& happening);

// What shrinking makes less.
struct Weight {
  uint64_t preemptions = 0, deviations = 0, switches = 0, faults = 0, goroutines = 0, steps = 0;
  auto operator<=>(const Weight&) const = default;
};
Weight weight_of(const Observation& run);

}  // namespace reprise::trace
