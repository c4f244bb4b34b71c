// The consumer's side of the tape.
//
// Invariants: `position` is the start of the record that peek() returns; whole records only are
// published by the parent; the fingerprint advances exactly as the recorder's did, so that each
// kCheckpoint can be compared.
#include "runtime/stage/tape_reader.h"

#include "runtime/stage/outputs.h"
#include "runtime/stage/report.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

uint64_t position = 0;   // consumed
uint64_t available = 0;  // our copy of control->written
uint64_t announced = 0;  // last stored to control->read
bool attached = false;

constexpr Record kTapeEnds = {tape::kEnd, 0, kNobody, 0, kCutOff};

// Stores how far we are, so that the parent can go on writing.
void announce() {
  announced = position;
  __atomic_store_n(&control->read, position, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&control->producer_waits, __ATOMIC_SEQ_CST)) wake_other_side(&control->read_seq);
}

// False: nothing will come any more.
bool wait_for_more() {
  announce();
  for (;;) {
    const uint32_t seq = __atomic_load_n(&control->written_seq, __ATOMIC_ACQUIRE);
    const bool finished = __atomic_load_n(&control->finished, __ATOMIC_ACQUIRE);
    available = __atomic_load_n(&control->written, __ATOMIC_ACQUIRE);
    if (available != position) return true;
    if (finished || !scribe_alive()) return false;
    __atomic_store_n(&control->consumer_waits, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&control->written, __ATOMIC_SEQ_CST) == position) {
      wait_for_other_side(&control->written_seq, seq);
    }
    __atomic_store_n(&control->consumer_waits, 0, __ATOMIC_SEQ_CST);
  }
}

void attach() {
  position = announced = control->read;
  attached = true;
}

const Record* next() {
  if (!attached) attach();
  if (position == available || available == 0) {
    if (!wait_for_more()) return &kTapeEnds;
  }
  return reinterpret_cast<const Record*>(ring_at(position));
}

void step(const Record* record) {
  position += record_bytes(record);
  if (position - announced >= control->ring_bytes / 8) announce();
}

void compare_checkpoint(const Record* record) {
  if (static_cast<uint64_t>(record->value) == control->fingerprint) return;
  Line line;
  line << "an argument or an output byte differs in the last " << uint64_t{tape::kCheckpointEvents}
       << " events before event " << control->events << ": expected fingerprint ";
  line.hex(record->value) << ", actual ";
  line.hex(control->fingerprint);
  fail(Verdict::divergence, line.text);
}

}  // namespace

void announce_position() { announce(); }

const Record* peek() {
  for (;;) {
    const Record* record = next();
    if (record->kind == tape::kCheckpoint) {
      compare_checkpoint(record);
    } else if (record->kind == tape::kChildOutput && record->segments == 1) {
      const Bytes bytes = segment(record, 0);
      repeat_child_output(static_cast<int>(record->value), bytes.at, bytes.size);
    } else {
      return record;
    }
    step(record);
  }
}

Bytes segment(const Record* record, int i) {
  auto* p = reinterpret_cast<const uint8_t*>(record + 1);
  for (;; --i) {
    uint32_t size;
    __builtin_memcpy(&size, p, 4);
    if (i == 0) return {p + 4, size};
    p += 4 + ((uint64_t{size} + 3) & ~3ull);
  }
}

void advance(uint64_t full_check) {
  const Record* record = peek();
  count_record(*record, full_check);
  for (int i = 0; i < record->segments && record->kind != tape::kStart; ++i) {
    const Bytes bytes = segment(record, i);
    count_bytes(bytes.at, bytes.size);
  }
  step(record);
}

// The fingerprint covers a segment as a whole, so it is computed where the pieces have met.
bool take_segments(const Segment* places, int count, uint64_t full_check) {
  const Record* record = peek();
  const Record head = *record;
  const bool split = record_bytes(record) > tape::kMaxRecordBytes / 2;
  uint32_t got[256];
  for (int i = 0; i < count; ++i) {
    const Bytes bytes = segment(record, i);
    if (bytes.size > places[i].size) return false;
    memcpy(reinterpret_cast<void*>(places[i].at), bytes.at, bytes.size);
    got[i] = bytes.size;
  }
  step(record);
  while (split && (record = next())->kind == tape::kContinue) {
    const Bytes bytes = segment(record, 0);
    const uint32_t i = record->check;
    if (i >= static_cast<uint32_t>(count) || bytes.size > places[i].size - got[i]) return false;
    memcpy(reinterpret_cast<void*>(places[i].at + got[i]), bytes.at, bytes.size);
    got[i] += bytes.size;
    step(record);
  }
  count_record(head, full_check);
  for (int i = 0; i < count; ++i) {
    count_bytes(reinterpret_cast<const void*>(places[i].at), got[i]);
  }
  return true;
}

}  // namespace reprise::stage
