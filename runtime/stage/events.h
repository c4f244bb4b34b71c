// How what the program does becomes an event of the run: recorded when live, compared and imposed
// in replay. All of it under the baton, on the stage's stack.
#pragma once

#include "runtime/stage/call.h"
#include "runtime/stage/stage.h"

namespace reprise::stage {

// Value of the record of a call that ends the process by a signal to itself.
inline constexpr long kFatalToSelf = -1025;

// Replay: the next record, once it is this thread's turn. A thread in a call that may block hands
// the baton to the thread of the next record first. Ends the run if the tape has ended.
const Record* turn(Thread& t, bool may_block);

// Replay: the next record, which must be this call of this thread.
const Record* expect(Thread& t, const Call& call, bool may_block);
const Record* expect(Thread& t, uint16_t kind, uint32_t check);

// Replay: value of the next record if it belongs to this call, else 0.
int64_t next_value(const Thread& t, const Call& call);

// A call whose result the stage computes itself, the same in record and replay: compared there.
long settled(Thread& t, const Call& call, long result);

// A call whose result alone comes from outside.
template <typename F>
long imposed(Thread& t, const Call& call, F&& live_result);

// A call as the model has it: the kernel's answer and what it wrote, or the tape's.
long plain(Thread& t, Call& call);

// A number that is read from outside by an instruction, a decision or a mark.
int64_t note(Thread& t, uint16_t kind, uint32_t check, int64_t value);
void note_bytes(Thread& t, uint16_t kind, uint32_t check, int64_t value, const void* bytes, uint32_t size);

// The program ends here: final hash, and kEnd with this wait status. Or a child of vfork does.
void finish(Thread& t, int wait_status);

}  // namespace reprise::stage

#include "runtime/stage/tape_reader.h"
#include "runtime/stage/tape_writer.h"

namespace reprise::stage {

template <typename F>
long imposed(Thread& t, const Call& call, F&& live_result) {
  if (live()) {
    const long result = live_result();
    put(t, call.nr, call.check, result);
    return result;
  }
  const long result = expect(t, call, false)->value;
  advance(call.check);
  return result;
}

}  // namespace reprise::stage
