// Keeps the values of named environment variables out of a trace.
#pragma once

#include <string>
#include <vector>

#include "replay/records.h"

namespace reprise::trace {

// Overwrites, in place, the value of each NAME=value string in the segments of a kStart record with
// x: same length, so that a replayed program's stack keeps its layout.
void redact(const RecordView& start, const std::vector<std::string>& names);

// `environment` with the values of those names emptied.
std::vector<std::string> redacted(const std::vector<std::string>& environment,
                                  const std::vector<std::string>& names);

}  // namespace reprise::trace
