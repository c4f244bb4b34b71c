// An access of checked code to memory: a scheduling point if the bytes are shared, and what the detector sees.
//
// Bytes are private, and no point, as long as they lie in the running goroutine's own stack or in a block that
// it allocated and nobody else has touched them. What is lost: schedules in which such a goroutine is
// preempted between two accesses that both come before anybody else's first. Everything else is shared from
// its first access on. The rule depends on the schedule alone, so a schedule replays.
//
// Thread safety: the goroutine that runs. May switch goroutines.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/race/task.h"
#include "runtime/seam/decision.h"

namespace reprise::race {

enum AccessFlags : uint8_t { kRead = 0, kWrite = 1, kAtomic = 2, kFree = 4 };

// `pc`: the return address of the hook.
void access(Task* task, uint64_t address, size_t bytes, uint8_t how, const void* pc);

// The scheduling point alone.
void point(Task* task, uint64_t address, seam::OpKind op, bool write, const void* pc);

}  // namespace reprise::race
