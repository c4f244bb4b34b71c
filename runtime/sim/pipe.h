// Pipes and event counters of the simulated world.
//
// Thread safety and ownership: file.h. The two ends of a pipe share its bytes.
#pragma once

#include <memory>

#include "runtime/sim/file.h"

namespace reprise::sim {

void new_pipe(FileRef ends[2]);  // 0 to read from, 1 to write to
FileRef new_eventfd(uint64_t count, bool semaphore);

}  // namespace reprise::sim
