// Ending: how a run ended, as far as two failures are the same failure.
#pragma once

#include <string>

#include "replay/observation.h"
#include "replay/scribe.h"

namespace reprise::cli {

struct Ending {
  enum class Kind { passed, status, signal, panic, fatal, deadlock, stopped } kind = Kind::passed;
  int code = 0;         // status, signal
  std::string message;  // panic, fatal, a failed expectation or race, and what the stage stopped it for (a loop that never gives way)

  bool fails() const { return kind != Kind::passed; }
  // The same failure: numbers in messages do not count, since they vary with the schedule.
  bool same_as(const Ending& other) const;
  // One line: "panic: account: balance", "exited with 3".
  std::string text() const;
};

// Of a run that was observed.
Ending ending_of(const trace::Observation& seen, int wait_status, const tape::Control& control);

}  // namespace reprise::cli
