// What each system call reads and writes: the table of model.inc, one line a call.
//
// Pure: no state. Reads the program's memory through guarded(), so a bad pointer hashes as "bad
// pointer" and the kernel's EFAULT becomes the recorded result.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/stage/call.h"
#include "runtime/stage/stage.h"

namespace reprise::stage::model {

enum Flag : uint8_t {
  kBlocks = 1,    // may block: the baton is put down round it
  kRestarts = 2,  // runs again after a handler installed with SA_RESTART
};

bool known(long nr);
bool blocks(const Call& call);    // this use of the call may block
bool restarts(long nr);
int argument_count(long nr);      // 6 for an unknown one

// Hash of number, arguments and the bytes that the kernel reads.
uint64_t check(const Call& call);

// Null, or which use of a known call is not modelled (an ioctl, a futex operation, ...).
const char* refused(const Call& call);

// Lengths that the kernel overwrites, taken before the call.
struct Before {
  uint32_t capacity[2] = {0, 0};
};
Before before(const Call& call);

// Where the kernel wrote, given its result. Live: exact. Replay: lengths that only the recording
// knows come as capacities. Returns how many of `out` are used.
inline constexpr int kMaxSegments = 250;
int outputs(const Call& call, long result, const Before& before, Segment* out);

// The first string argument, for reports. False if there is none.
bool first_string(const Call& call, char* text, size_t capacity);

}  // namespace reprise::stage::model
