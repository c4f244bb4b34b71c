// The side area: what passes between the `reprise` parent and the policy in the program beside the tape.
//
// A third part of the tape's file, behind the ring, and there only if the parent asked for it
// (side_bytes()). The stage maps it and never looks at it. Before the start the parent writes what a
// steered run deviates in (scheduler-policies/steered.h); while the program runs, whoever sits in front of
// its policy (tools/wiring/observer.h) writes what happened, in replay too; when the program is gone the
// parent reads. Nothing of it is on the tape or in a trace, and the program never sees it.
//
// Thread safety: one writer at a time, as above. Fixed-size types: both sides may be builds of their own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/seam/decision.h"
#include "runtime/seam/side_place.h"

namespace reprise::tape {

// A decision that is not the default's. Keyed by a goroutine and by how far it had come itself, so that
// taking one away leaves the others where they are. In the area they are sorted by key.
struct Deviation {
  seam::GoId goroutine;      // run: who ran before; else who chose, zero for the scheduler
  uint64_t own_step = 0;     // scheduling points that it had come to by itself
  uint32_t nth = 0;          // among decisions of the same goroutine, own step and kind, from 0
  seam::DecisionKind kind = seam::DecisionKind::run;
  bool preempts = false;     // run: the goroutine is stopped for this, before the operation it announced
  bool holds = false;        // run: it is stopped there and does not go on before `chosen` has done its own
                             // step number `value`, as long as anybody else can run. nth: kHoldNth
  uint8_t reserved = 0;
  seam::GoId chosen;         // run, wake: who is chosen. Not there: the default
  uint64_t value = 0;        // draw: the bits. Other kinds: the index. Out of range: the default
  static constexpr uint32_t kHoldNth = UINT32_MAX;
  bool operator==(const Deviation&) const = default;
};

// The order of deviations in the area.
constexpr bool before(const Deviation& a, const Deviation& b) {
  if (a.goroutine != b.goroutine) return a.goroutine < b.goroutine;
  if (a.own_step != b.own_step) return a.own_step < b.own_step;
  return a.kind != b.kind ? a.kind < b.kind : a.nth < b.nth;
}

// One thing that happened, choice or not.
struct Observed {
  enum class What : uint8_t { step, spawn, block, wake, exit, choice, draw };
  static constexpr size_t kMaxAccesses = 4;

  What what;
  uint8_t op;                // seam::OpKind; choice and draw: seam::DecisionKind
  uint8_t accesses;          // how many of `objects` count
  uint8_t writes;            // a bit an access
  uint32_t candidates;       // choice
  uint32_t nth;              // choice, draw: as Deviation has it
  bool by_default;           // choice: what the default takes
  bool stays_ready;          // run: who ran before is a candidate
  bool announced;            // run: and was stopped before the operation that it had announced
  uint64_t step;             // of the run
  uint64_t own_step;         // of `goroutine`
  seam::GoId goroutine;      // who; choice and draw: as Deviation has it
  seam::GoId other;          // spawn, wake: whom; run, wake: the chosen one
  uint64_t value;            // choice: the index; draw: the bits
  uint64_t site;             // step, block: of the operation
  uint64_t goid;             // step: sequence number of `goroutine` in this run
  seam::ObjectId objects[kMaxAccesses];
};

struct SideArea {
  // Written by the parent.
  uint64_t deviations;       // how many; they lie behind this head
  uint64_t observed_at;      // where entries lie, counted from the start of the area
  uint64_t capacity;         // how many; 0: nothing is observed. The latest are kept

  // Written by the program.
  uint64_t observed;         // entries ever; number n lies at n % capacity
  uint32_t ended;            // 1: the runtime told how the run ended, which a crash does not
  int32_t exit_status;
  uint32_t outcome;          // seam::Outcome::Kind
  uint32_t reserved;
  char message[1024];

  const Deviation* deviation() const { return reinterpret_cast<const Deviation*>(this + 1); }
  Deviation* deviation() { return reinterpret_cast<Deviation*>(this + 1); }
  Observed* entry(uint64_t number) {
    return reinterpret_cast<Observed*>(reinterpret_cast<std::byte*>(this) + observed_at) + number % capacity;
  }
};

}  // namespace reprise::tape
