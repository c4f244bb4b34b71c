// Takes records from the tape: the consumer's side, while replaying.
//
// Caller holds the baton. Reading waits for the parent to feed more; a tape that ended early reads
// as an endless kEnd of thread kNobody.
#pragma once

#include "runtime/stage/stage.h"

namespace reprise::stage {

inline constexpr uint8_t kNobody = 255;
inline constexpr int64_t kCutOff = -1;  // value of kEnd where the recording was cut off

// The next record, checkpoints having been compared and passed. Valid until advance().
const Record* peek();

// Tells the parent how far we are; an image that follows an exec goes on from there.
void announce_position();

// Counts and consumes the record that peek() returned. `full_check` is what the program computed.
void advance(uint64_t full_check);

// A check that the trace did not keep reads as 0: it is compared through the fingerprint.
inline bool check_agrees(const Record* record, uint32_t check) {
  return record->check == check || record->check == 0;
}

// Segment i of the record that peek() returned: its bytes in the head record only.
struct Bytes {
  const uint8_t* at;
  uint32_t size;
};
Bytes segment(const Record* record, int i);

// Copies the segments to their places, continuations included, then consumes the record.
// `places` has one entry a segment; `room` is each one's capacity. False: too long for its place.
bool take_segments(const Segment* places, int count, uint64_t full_check);

}  // namespace reprise::stage
