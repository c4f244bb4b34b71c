// The producer's side of the tape.
//
// Invariants: whole records only are published, with one release store of `written`; a record is
// at most kMaxRecordBytes, what is longer goes on in kContinue records; every kCheckpointEvents
// records a kCheckpoint carries the fingerprint of all before it. Decisions that can be packed wait
// in control->packed until eight make a record or another record comes, which carries them if it can:
// the ring has all in order.
//
// A waiting scribe is woken where it wants to be, when the ring is full, and at the end. Rejected: waking
// at every record (a futex call each, and the scribe's cache traffic, doubled the cost of a
// record), and a fence between storing `written` and looking at `consumer_waits`: the scribe waits
// with a limit instead, so a wake that is lost costs it milliseconds and the program nothing.
#include "runtime/stage/tape_writer.h"

#include "runtime/stage/hash.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr int kStallTenths = 300;  // 30 s
constexpr uint64_t kPrefetchBytes = 256;

uint64_t written = 0;  // our copy of control->written; both under the baton
bool attached = false;

void detach(const char* why) {
  mode = Mode::run;
  control->verdict = Verdict::detached;
  Text(control->message, sizeof control->message) << "recording stopped at event "
      << control->events << ": " << why;
}

uint64_t room() {
  return control->ring_bytes - (written - __atomic_load_n(&control->read, __ATOMIC_ACQUIRE));
}

// Why waiting for room is in vain, or null.
const char* hopeless(int tenths_waited) {
  if (__atomic_load_n(&control->detached, __ATOMIC_ACQUIRE)) return "the trace cannot be written";
  if (!scribe_alive()) return "the reprise process is gone";
  return tenths_waited >= kStallTenths ? "the reprise process is stalled" : nullptr;
}

// Takes the tape up where an image before an exec left it.
void attach() {
  if (attached) return;
  written = control->written;
  attached = true;
}

// False: nobody reads any more, and the run is unrecorded from here on.
bool reserve(uint64_t size) {
  attach();
  for (int tenths = 0; room() < size; ++tenths) {
    if (const char* why = hopeless(tenths)) {
      detach(why);
      return false;
    }
    const uint32_t seq = __atomic_load_n(&control->read_seq, __ATOMIC_ACQUIRE);
    __atomic_store_n(&control->producer_waits, 1, __ATOMIC_SEQ_CST);
    wake_other_side(&control->written_seq);
    if (room() < size) wait_for_other_side(&control->read_seq, seq);
    __atomic_store_n(&control->producer_waits, 0, __ATOMIC_SEQ_CST);
  }
  return true;
}

// The ring's next lines are in the scribe's cache or nowhere near: asked for in time, a store finds them.
void publish(uint64_t size) {
  written += size;
  asm volatile("prefetchw %0" : : "m"(*ring_at(written + kPrefetchBytes)));
  __atomic_store_n(&control->written, written, __ATOMIC_RELEASE);
  if (__atomic_load_n(&control->consumer_waits, __ATOMIC_RELAXED) &&
      written >= __atomic_load_n(&control->wake_at, __ATOMIC_RELAXED)) {
    // By us: until the scribe has a processor, every record would wake it again.
    __atomic_store_n(&control->consumer_waits, 0, __ATOMIC_RELAXED);
    wake_other_side(&control->written_seq);
  }
}

uint8_t* append_segment(uint8_t* p, uint64_t at, uint32_t size) {
  __builtin_memcpy(p, &size, 4);
  memcpy(p + 4, reinterpret_cast<const void*>(at), size);
  return p + 4 + ((uint64_t{size} + 3) & ~3ull);
}

uint64_t bytes_of(const Segment* segments, int count) {
  uint64_t size = sizeof(Record);
  for (int i = 0; i < count; ++i) size += 4 + ((uint64_t{segments[i].size} + 3) & ~3ull);
  return (size + 7) & ~7ull;
}

bool append_now(const Record& head, const Segment* segments, int count) {
  const uint64_t size = bytes_of(segments, count);
  if (!reserve(size)) return false;
  uint8_t* p = ring_at(written);
  __builtin_memcpy(p, &head, sizeof head);
  p += sizeof head;
  for (int i = 0; i < count; ++i) p = append_segment(p, segments[i].at, segments[i].size);
  publish(size);
  return true;
}

// Once it is appended, packed_at is not `written` any more: a kill before the last line does no harm.
void flush_decisions() {
  append_now(control->packed, nullptr, 0);
  control->packed.check = 0;
}

bool can_carry(const Record& head) {
  const Record& pack = control->packed;
  return head.kind < tape::kFirstDecision && head.check >= tape::kKeptCheck &&
         pack.check <= tape::kCarriedDecisions && pack.thread == head.thread;
}

bool append(const Record& head, const Segment* segments, int count) {
  Record& pack = control->packed;
  if (pack.check == 0) return append_now(head, segments, count);
  if (!can_carry(head)) {
    flush_decisions();
    return append_now(head, segments, count);
  }
  static_assert(tape::kCarriedDecisions == sizeof head.check);
  const uint64_t none = ~0ull << 8 * pack.check;
  Record carrier = head;
  carrier.kind |= tape::kWithDecisions;
  carrier.check = static_cast<uint32_t>(static_cast<uint64_t>(pack.value) | none);
  const bool appended = append_now(carrier, segments, count);
  pack.check = 0;
  return appended;
}

// `check` comes last: whoever reads what a killed program left finds whole decisions.
void pack(const Thread& t, uint16_t kind, int64_t value) {
  if (control->packed.check != 0 && control->packed.thread != t.index) flush_decisions();
  Record& pack = control->packed;
  const uint32_t count = pack.check;
  if (count == 0) {
    pack = {tape::kDecisions, 0, static_cast<uint8_t>(t.index), 0, 0};
    control->packed_at = written;
  }
  pack.value |= static_cast<int64_t>(uint64_t{tape::packed(kind, value)} << 8 * count);
  __atomic_store_n(&pack.check, count + 1, __ATOMIC_RELEASE);
  if (count + 1 == tape::kPackedDecisions) flush_decisions();
}

// The head carries what fits, in order; the rest of each segment follows piece by piece.
void append_split(const Record& head, const Segment* segments, int count) {
  Segment parts[256] = {};
  uint64_t left = tape::kMaxRecordBytes - sizeof(Record) - 8 * count - 8;
  for (int i = 0; i < count; ++i) {
    parts[i] = segments[i];
    if (parts[i].size > left) parts[i].size = left & ~3ull;
    left -= parts[i].size < left ? parts[i].size : left;
  }
  if (!append(head, parts, count)) return;
  constexpr uint32_t kPiece = tape::kMaxRecordBytes / 2;
  for (int i = 0; i < count; ++i) {
    for (uint32_t done = parts[i].size; done < segments[i].size;) {
      const uint32_t rest = segments[i].size - done;
      const Segment piece = {segments[i].at + done, rest < kPiece ? rest : kPiece};
      const Record more = {tape::kContinue, 1, head.thread, static_cast<uint32_t>(i), rest};
      if (!append(more, &piece, 1)) return;
      done += piece.size;
    }
  }
}

}  // namespace

namespace {

void checkpoint(const Thread& t) {
  if (control->events % tape::kCheckpointEvents != 0) return;
  append({tape::kCheckpoint, 0, static_cast<uint8_t>(t.index), static_cast<uint32_t>(control->events),
          static_cast<int64_t>(control->fingerprint)}, nullptr, 0);
}

}  // namespace

void put_number(const Thread& t, uint16_t kind, uint32_t check, int64_t value) {
  const Record head = {kind, 0, static_cast<uint8_t>(t.index), check, value};
  count_record(head, check);
  if (mode != Mode::record) return;
  if (tape::packable(kind, value)) {
    attach();
    pack(t, kind, value);
  } else {
    append(head, nullptr, 0);
  }
  checkpoint(t);
}

void put(const Thread& t, uint16_t kind, uint64_t check, int64_t value, const Segment* segments,
         int count) {
  const Record head = {kind, static_cast<uint8_t>(count), static_cast<uint8_t>(t.index),
                       static_cast<uint32_t>(check), value};
  count_record(head, check);
  if (mode != Mode::record) return;
  for (int i = 0; i < count && kind != tape::kStart; ++i) {
    count_bytes(reinterpret_cast<const void*>(segments[i].at), segments[i].size);
  }
  if (bytes_of(segments, count) <= tape::kMaxRecordBytes) {
    append(head, segments, count);
  } else {
    append_split(head, segments, count);
  }
  checkpoint(t);
}

void put_end(const Thread& t, int wait_status) {
  if (mode != Mode::record) return;
  append({tape::kEnd, 0, static_cast<uint8_t>(t.index), 0, wait_status}, nullptr, 0);
  if (mode != Mode::record) return;
  __atomic_store_n(&control->finished, 1, __ATOMIC_SEQ_CST);
  wake_other_side(&control->written_seq);
}

}  // namespace reprise::stage
