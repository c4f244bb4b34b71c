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

#include "runtime/race/shadow.h"
#include "runtime/race/task.h"
#include "runtime/seam/decision.h"

namespace reprise::race {

// An access is at least as strong as another if it has all of its flags but kFree: whatever conflicts with that conflicts with it.
enum AccessFlags : uint8_t {
  kWrites = 1,
  kPlain = 2,
  kFree = 4,
  kAtomicRead = 0,
  kAtomicWrite = kWrites,
  kRead = kPlain,
  kWrite = kPlain | kWrites,
};

// An access by whoever runs at `stack`. `pc`: the return address of the hook.
void access(uint64_t address, size_t bytes, uint8_t how, const void* pc, uint64_t stack);
// The same for one that lies in one cell.
void access_cell(uint64_t address, What what, const void* pc, uint64_t stack);

// RaceHooks::name_access.
void name_access(rt::G* gp, uint64_t address, const void* pc, seam::ObjectId* object, seam::Site* site);

// The scheduling point alone.
void point(Task* task, uint64_t address, seam::OpKind op, bool write, const void* pc);

}  // namespace reprise::race
