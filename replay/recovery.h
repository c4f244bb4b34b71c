// Finishes the trace of a recorder that was killed.
#pragma once

#include <cstdint>
#include <string>

#include "replay/error.h"

namespace reprise::trace {

// From PATH.part and PATH.tape makes PATH: the whole chunks of the first, then the records that lie
// only on the second, then a footer that says that the run was cut off. *records: how many in all.
// Error::Kind::busy if a recorder is still at work.
Error recover(const std::string& path, uint64_t* records);

}  // namespace reprise::trace
