// Tried: what came of one run of a trace's program.
//
// A plain value.
#pragma once

#include <cstdint>
#include <string>

#include "replay/observation.h"
#include "runtime/seam/tape.h"
#include "tools/cli/ending.h"

namespace reprise::cli {

struct Tried {
  std::string error;  // it could not be run; else empty
  bool timed_out = false;
  int wait_status = 0;
  tape::Verdict verdict = tape::Verdict::none;
  uint64_t events = 0, fingerprint = 0;  // zero for runs of fork servers
  Ending ending;
  trace::Observation seen;
};

}  // namespace reprise::cli
