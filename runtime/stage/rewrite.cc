// Rewriting of hot system call instructions: counting, the two shapes, trampolines.
//
// Invariants: `sites` holds each address behind a system call instruction that trapped, with what
// was done there, and forgets it when the text goes; a trampoline, once written, stays for ever,
// because a thread may be inside. Trampolines lie at fixed places, tried in a fixed order, so that
// the program's own mappings are where they would be without them.
//
// The text is written through a passing change of its protection. Rejected: /proc/self/mem, which
// needs no change but a mounted /proc.
#include "runtime/stage/rewrite.h"

#include <sys/mman.h>

#include "runtime/stage/gate_offsets.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

// A rewrite costs as much as some ten traps; one that must look for jumps first, some hundreds.
constexpr uint32_t kHotTraps = 8;
constexpr uint32_t kHotCompares = 300;

struct Range {
  uint64_t begin, end;
  bool holds(uint64_t from, uint64_t to) const { return begin <= from && to <= end; }
};

// ---- text ----
constexpr int kTexts = 128;
Range texts[kTexts];
int text_count = 0;

const Range* text_around(uint64_t from, uint64_t to) {
  for (int i = 0; i < text_count; ++i) {
    if (texts[i].holds(from, to)) return &texts[i];
  }
  return nullptr;
}

// ---- traps counted by address: open addressing ----
enum class State : uint32_t { counted, rewritten, refused };
struct Entry {
  uint64_t ip_after;  // 0: free; 1: was used
  uint64_t resume;    // for threads that return to ip_after
  uint32_t traps;
  State state;
};
constexpr uint32_t kEntries = 4096;  // a power of two
Entry sites[kEntries];
uint32_t entries_used = 0;

uint32_t slot_of(uint64_t ip) {
  return static_cast<uint32_t>((ip * 0x9e37'79b9'7f4a'7c15) >> 52) & (kEntries - 1);
}

// Null if it is not there and `add` is false or the table is full.
Entry* find(uint64_t ip, bool add) {
  for (uint32_t i = slot_of(ip);; i = (i + 1) & (kEntries - 1)) {
    if (sites[i].ip_after == ip) return &sites[i];
    if (sites[i].ip_after != 0) continue;
    if (!add || entries_used > kEntries / 4 * 3) return nullptr;
    ++entries_used;
    sites[i] = {ip, ip, 0, State::counted};
    return &sites[i];
  }
}

// ---- trampolines ----
constexpr uint64_t kAreaBytes = 64 << 10;
constexpr uint64_t kTrampolineBytes = 64;
constexpr uint64_t kSiteOffset = 40;  // of the Site in its trampoline
constexpr int64_t kReach = (1ll << 31) - (1 << 20);

// In front of each place where the stage or a non-PIE link puts text.
constexpr uint64_t kAreaPlaces[] = {kMapBase - kAreaBytes, kInterpreterBase - kAreaBytes,
                                    kExecutableBase - kAreaBytes, kLowMapBase - kAreaBytes};
struct Area {
  uint64_t base, used;
  bool refused;
};
Area areas[sizeof kAreaPlaces / sizeof kAreaPlaces[0]];

bool reaches(uint64_t from, uint64_t to) {
  const auto distance = static_cast<int64_t>(to - from);
  return -kReach < distance && distance < kReach;
}

bool map_area(Area& area, uint64_t place) {
  if (area.base) return true;
  if (area.refused) return false;
  const long at = raw(SYS_mmap, place, kAreaBytes, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  area.refused = at != static_cast<long>(place);
  if (!area.refused) area.base = place;
  return !area.refused;
}

// The address of a free trampoline within reach of `ip`, or 0.
uint64_t new_trampoline(uint64_t ip) {
  for (size_t i = 0; i < sizeof kAreaPlaces / sizeof kAreaPlaces[0]; ++i) {
    Area& area = areas[i];
    if (!reaches(ip, kAreaPlaces[i]) || !map_area(area, kAreaPlaces[i])) continue;
    if (area.used == kAreaBytes) continue;
    area.used += kTrampolineBytes;
    return area.base + area.used - kTrampolineBytes;
  }
  return 0;
}

// Writes machine code into a buffer that will lie at `address`.
class Code {
 public:
  explicit Code(uint64_t address) : address_(address) {}
  Code& bytes(const char* text, int count) {
    memcpy(buffer_ + used_, text, count);
    used_ += count;
    return *this;
  }
  Code& word(uint32_t value) { return bytes(reinterpret_cast<const char*>(&value), 4); }
  // The distance from the end of this four-byte field to `target`.
  Code& relative(uint64_t target) {
    return word(static_cast<uint32_t>(target - (address_ + used_ + 4)));
  }
  Code& site(const Site& value) {
    memcpy(buffer_ + kSiteOffset, &value, sizeof value);
    return *this;
  }
  uint64_t here() const { return address_ + used_; }
  const uint8_t* data() const { return buffer_; }

 private:
  uint64_t address_;
  uint32_t used_ = 0;
  uint8_t buffer_[kTrampolineBytes] = {};
};

// r11 = the site; jmp *gs:hot.
void enter_stage(Code& code, uint64_t trampoline) {
  code.bytes("\x4c\x8d\x1d", 3).relative(trampoline + kSiteOffset);
  code.bytes("\x65\xff\x24\x25", 4).word(REPRISE_GATE_HOT);
}

// Pages of [at, at + size) turn writable, are written, and turn back.
bool write_text(uint64_t at, const void* bytes, uint64_t size) {
  const uint64_t from = page_down(at);
  const uint64_t span = page_up(at + size) - from;
  if (raw(SYS_mprotect, from, span, PROT_READ | PROT_WRITE) < 0) return false;
  memcpy(reinterpret_cast<void*>(at), bytes, size);
  return raw(SYS_mprotect, from, span, PROT_READ | PROT_EXEC) == 0;
}

bool write_jump(uint64_t at, uint64_t target) {
  Code jump(at);
  jump.bytes("\xe9", 1).relative(target);
  return write_text(at, jump.data(), 5);
}

// ---- shape 1: mov $nr, %eax; syscall ----
const uint8_t* bytes_at(uint64_t at) { return reinterpret_cast<const uint8_t*>(at); }

// The number must be the one that trapped, and the byte in front no REX prefix, which would make
// it another register's.
bool is_load_and_call(uint64_t ip_after, long nr) {
  if (!text_around(ip_after - 8, ip_after)) return false;
  const uint8_t* p = bytes_at(ip_after - 7);
  uint32_t loaded;
  memcpy(&loaded, p + 1, 4);
  return p[0] == 0xb8 && loaded == static_cast<uint64_t>(nr) && (p[-1] & 0xf0) != 0x40;
}

bool rewrite_load_and_call(Entry& entry, long nr) {
  const uint64_t at = new_trampoline(entry.ip_after);
  if (!at) return false;
  Code code(at);
  code.bytes("\xb8", 1).word(static_cast<uint32_t>(nr));
  enter_stage(code, at);
  code.site({entry.ip_after, entry.ip_after});
  return write_text(at, code.data(), kTrampolineBytes) && write_jump(entry.ip_after - 7, at);
}

// ---- shape 2: syscall; cmp $imm32, %rax ----
bool is_call_and_compare(uint64_t ip_after) {
  if (!text_around(ip_after - 2, ip_after + 6)) return false;
  const uint8_t* p = bytes_at(ip_after);
  return p[0] == 0x48 && p[1] == 0x3d;
}

// Every four bytes of the text behind an opcode of a jump or call are taken for its distance, and
// every byte near by behind that of a short jump, instruction or not: a false yes costs a rewrite, a
// false no cannot be. Some half a millisecond for the text of libc, hence kHotCompares.
bool is_jump_or_call(const uint8_t* distance) {
  const uint8_t opcode = distance[-1];
  return opcode == 0xe8 || opcode == 0xe9 || (distance[-2] == 0x0f && (opcode & 0xf0) == 0x80);
}

bool nothing_leads_to(uint64_t target) {
  const Range* text = text_around(target, target + 1);
  for (uint64_t at = text->begin + 2; at + 4 <= text->end; ++at) {
    int32_t distance;
    __builtin_memcpy(&distance, bytes_at(at), 4);
    if (at + 4 + distance == target && is_jump_or_call(bytes_at(at))) return false;
  }
  constexpr uint64_t kShortReach = 130;
  const uint64_t first = target - text->begin > kShortReach ? target - kShortReach : text->begin;
  const uint64_t last = text->end - target > kShortReach ? target + kShortReach : text->end;
  for (uint64_t at = first + 1; at < last; ++at) {
    const uint8_t opcode = *bytes_at(at - 1);
    const bool jumps = (opcode & 0xf0) == 0x70 || opcode == 0xeb || (opcode & 0xfc) == 0xe0;
    if (jumps && at + 1 + static_cast<int8_t>(*bytes_at(at)) == target) return false;
  }
  return true;
}

bool rewrite_call_and_compare(Entry& entry) {
  const uint64_t call = entry.ip_after - 2;
  // The comparison is the only instruction that begins inside what is replaced.
  if (!nothing_leads_to(entry.ip_after)) return false;
  const uint64_t at = new_trampoline(call);
  if (!at) return false;
  Code code(at);
  enter_stage(code, at);
  const uint64_t resume = code.here();
  code.bytes(reinterpret_cast<const char*>(bytes_at(entry.ip_after)), 6);
  code.bytes("\xe9", 1).relative(call + 8);
  code.site({resume, entry.ip_after});
  if (!write_text(at, code.data(), kTrampolineBytes) || !write_jump(call, at)) return false;
  entry.resume = resume;
  return true;
}

State rewrite(Entry& entry, long nr) {
  bool done = false;
  if (is_load_and_call(entry.ip_after, nr)) {
    done = rewrite_load_and_call(entry, nr);
  } else if (is_call_and_compare(entry.ip_after)) {
    if (entry.traps < kHotCompares) return State::counted;
    done = rewrite_call_and_compare(entry);
  }
  return done ? State::rewritten : State::refused;
}

}  // namespace

void text_mapped(uint64_t at, uint64_t size) {
  text_gone(at, size);
  if (text_count < kTexts) texts[text_count++] = {at, page_up(at + size)};
}

void text_gone(uint64_t at, uint64_t size) {
  const uint64_t end = page_up(at + size);
  bool any = false;
  for (int i = 0; i < text_count;) {
    if (at < texts[i].end && texts[i].begin < end) {
      texts[i] = texts[--text_count];
      any = true;
    } else {
      ++i;
    }
  }
  if (!any) return;
  // The slot stays taken, or later entries of its chain would be lost.
  for (Entry& entry : sites) {
    if (at < entry.ip_after && entry.ip_after <= end) entry = {1, 0, 0, State::refused};
  }
}

void count_trap(uint64_t ip_after, long nr) {
  Entry* entry = find(ip_after, true);
  if (!entry || entry->state != State::counted || ++entry->traps < kHotTraps) return;
  entry->state = rewrite(*entry, nr);
}

uint64_t resume_address(uint64_t ip) {
  const Entry* entry = find(ip, false);
  return entry ? entry->resume : ip;
}

}  // namespace reprise::stage
