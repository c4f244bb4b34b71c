// Where the stage has the tape mapped: control page, then the ring twice in a row.
//
// Thread safety: all of it under the baton.
#pragma once

#include "runtime/stage/hash.h"
#include "runtime/stage/stage.h"

namespace reprise::stage {

inline constexpr uint64_t kRingBase = tape::kTapeBase + tape::kControlBytes;

// Maps the tape of `tape_fd`; null, or what is wrong with it.
const char* map_tape();

inline uint8_t* ring_at(uint64_t position) {
  return reinterpret_cast<uint8_t*>(kRingBase + (position & (control->ring_bytes - 1)));
}

// Bytes of one record, head and padding included.
uint64_t record_bytes(const Record* record);

// Waits up to 100 ms for *word to change from `value`.
void wait_for_other_side(uint32_t* word, uint32_t value);
void wake_other_side(uint32_t* word);

// Children of the program do not get the ring.
void keep_ring_from_children();

// A run of a fork server: its parent stands for the scribe.
void server_is_parent();

// The reprise parent is alive; it was when the stage started.
bool scribe_alive();
// A child of vfork runs, whose parent is not the scribe but the program, which is alive.
extern bool other_parent;

// ---- the fingerprint: over every logical record, argument hash and byte ----
// Both sides call it for the same sequence: after writing, or after having compared.
inline void count_record(const Record& record, uint64_t full_check) {
  const uint64_t head = record.kind | uint64_t{record.thread} << 16 | full_check << 24;
  control->fingerprint = mix(mix(control->fingerprint, head), record.value);
  ++control->events;
}
void count_bytes(const void* bytes, uint64_t size);

}  // namespace reprise::stage
