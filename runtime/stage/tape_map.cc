// Mapping of the tape, liveness of the other side, and the running fingerprint.
//
// The ring is mapped twice in a row so that no record wraps for the stage. Forked
// children do not inherit it: they have left the tape, and only read the control page.
#include "runtime/stage/tape_map.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/seam/side_place.h"
#include "runtime/stage/hash.h"
#include "runtime/stage/raw.h"

namespace reprise::stage {
namespace {

long scribe_pid = 0;

bool map_at(uint64_t at, uint64_t size, uint64_t offset) {
  const long got = raw(SYS_mmap, at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
                       tape_fd, offset);
  return got == static_cast<long>(at);
}

}  // namespace

const char* map_tape() {
  if (!map_at(tape::kTapeBase, tape::kControlBytes, 0)) return "cannot map the tape";
  // No reading ahead, as the parent has it (replay/tape_file.cc).
  raw(SYS_madvise, tape::kTapeBase, tape::kControlBytes, MADV_RANDOM);
  control = reinterpret_cast<tape::Control*>(tape::kTapeBase);
  if (control->magic != tape::kMagic) return "not a tape";
  if (control->version != tape::kVersion) return "a tape of another version";
  const uint64_t ring = control->ring_bytes;
  if (ring < tape::kMinRingBytes || (ring & (ring - 1))) return "a tape with a ring of bad size";
  if (!map_at(kRingBase, ring, tape::kControlBytes) ||
      !map_at(kRingBase + ring, ring, tape::kControlBytes)) {
    return "cannot map the ring of the tape";
  }
  const uint64_t side = tape::side_bytes(control);
  if (side != 0 && !map_at(tape::kSideBase, side, tape::kControlBytes + ring)) {
    return "cannot map the side area of the tape";
  }
  if (!control->forks.wanted) keep_ring_from_children();
  raw(SYS_madvise, kRingBase, 2 * ring, MADV_RANDOM);
  scribe_pid = raw(SYS_getppid);
  return nullptr;
}

uint64_t record_bytes(const Record* record) {
  auto* p = reinterpret_cast<const uint8_t*>(record + 1);
  for (int i = 0; i < record->segments; ++i) {
    uint32_t size;
    __builtin_memcpy(&size, p, 4);
    p += 4 + ((uint64_t{size} + 3) & ~3ull);
  }
  return (p - reinterpret_cast<const uint8_t*>(record) + 7) & ~7ull;
}

void wait_for_other_side(uint32_t* word, uint32_t value) {
  const timespec limit = {0, 100'000'000};
  raw(SYS_futex, word, FUTEX_WAIT, value, &limit);
}

void wake_other_side(uint32_t* word) {
  __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
  raw(SYS_futex, word, FUTEX_WAKE, 1);
}

void keep_ring_from_children() { raw(SYS_madvise, kRingBase, 2 * control->ring_bytes, MADV_DONTFORK); }

void server_is_parent() { scribe_pid = raw(SYS_getppid); }

bool other_parent = false;

bool scribe_alive() { return other_parent || raw(SYS_getppid) == scribe_pid; }

void count_bytes(const void* bytes, uint64_t size) {
  control->fingerprint = mix_bytes(control->fingerprint, bytes, size);
  control->input_bytes += size;
}

}  // namespace reprise::stage
