// Appends records to the tape: the producer's side, while recording.
//
// Caller holds the baton. A full ring makes the caller wait; a scribe that is gone, or that has
// taken nothing for half a minute, turns the run into an unrecorded one.
#pragma once

#include "runtime/stage/stage.h"
#include "runtime/stage/thread.h"

namespace reprise::stage {

// Appends one record. `check` is kept in full in the fingerprint, in 32 bits on the tape. In mode
// `run` it only counts. The segments are the program's or the stage's memory, readable now.
void put(const Thread& t, uint16_t kind, uint64_t check, int64_t value,
         const Segment* segments = nullptr, int count = 0);

// The same for a record without bytes: a decision, a number. Small decisions cost a byte.
void put_number(const Thread& t, uint16_t kind, uint32_t check, int64_t value);

// Nothing more will come: appends kEnd and wakes the scribe.
void put_end(const Thread& t, int wait_status);

}  // namespace reprise::stage
