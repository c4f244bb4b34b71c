// Which files are mapped shared, where, and what the program's own calls change in them.
//
// Files ("objects") are numbered in the order of their first mapping, which is the same in record and
// replay, and keep their number; mappings are a table that both modes keep alike. Whether a call
// writes to a mapped file is known live only (by device and inode), so replay looks whether the tape
// has kMemory records next.
#include "runtime/stage/shared_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/stat.h>

#include "runtime/stage/descriptors.h"
#include "runtime/stage/events.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

constexpr int kObjects = 256;
constexpr int kMappings = 4096;
constexpr uint64_t kPiece = 512 << 10;  // of a kMemory record

struct Object {
  uint64_t device, inode;  // live
  uint64_t size;           // live: as it was after the program's last call on it
  long memory;             // replay: a descriptor, 0 for none
};

struct Mapping {
  uint64_t begin, end, offset;
  long object;
  bool writable;
};

Object objects[kObjects];
int object_count = 0;
Mapping mappings[kMappings];
int mapping_count = 0;

long find(const struct stat& status) {
  for (int i = 0; i < object_count; ++i) {
    if (objects[i].device == status.st_dev && objects[i].inode == status.st_ino) return i;
  }
  return kNoObject;
}

// A write lease is given only to whoever has the only open file. Null, or what speaks against.
const char* why_not_alone(long fd) {
  const long result = raw(SYS_fcntl, fd, F_SETLEASE, F_WRLCK);
  if (result == 0) {
    raw(SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
    return nullptr;
  }
  if (result == -EAGAIN || result == -EBUSY) return "a shared writable mapping of a file that is open elsewhere";
  return "a shared writable mapping of a file of which the kernel does not say who has it open";
}

void add(const Mapping& m) {
  if (mapping_count == kMappings) fail(Verdict::unmodelled, "more than 4,096 shared mappings of files are not modelled");
  mappings[mapping_count++] = m;
}

// The mapping without [begin, end): up to two remain.
void cut(int i, uint64_t begin, uint64_t end) {
  const Mapping m = mappings[i];
  mappings[i] = mappings[--mapping_count];
  if (m.begin < begin) add({m.begin, begin, m.offset, m.object, m.writable});
  if (end < m.end) add({end, m.end, m.offset + (end - m.begin), m.object, m.writable});
}

// ---- calls that change files ----

struct Range {
  uint64_t begin, end;
};

// The call may change a file.
bool writes_file(const Call& call) {
  switch (call.nr) {
    case SYS_open: return call.args[1] & O_TRUNC;
    case SYS_openat: return call.args[2] & O_TRUNC;
    case SYS_creat:
    case SYS_truncate:
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_splice: return true;
    default: return false;
  }
}

// The descriptor that the call writes to, -1 if there is none. `result` is -1 before the call.
long written_descriptor(const Call& call, long result) {
  switch (call.nr) {
    case SYS_open:
    case SYS_openat:
    case SYS_creat: return result;
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_sendfile: return static_cast<int>(call.args[0]);
    case SYS_copy_file_range:
    case SYS_splice: return static_cast<int>(call.args[2]);
    default: return -1;
  }
}

// The mapped file that the call writes to.
long target(const Call& call, long result, struct stat* status) {
  if (!writes_file(call)) return kNoObject;
  const long fd = written_descriptor(call, result);
  const long known = call.nr == SYS_truncate ? raw(SYS_stat, call.args[0], status) : raw(SYS_fstat, fd, status);
  return known == 0 ? find(*status) : kNoObject;
}

// By which offset, where the call names one.
bool has_offset(const Call& call, uint64_t* offset) {
  switch (call.nr) {
    case SYS_pwrite64:
    case SYS_pwritev: *offset = call.args[3]; return true;
    case SYS_pwritev2: *offset = call.args[3]; return call.args[3] != -1;
    case SYS_copy_file_range:
    case SYS_splice: return call.args[3] && guarded([&] { *offset = *reinterpret_cast<uint64_t*>(call.args[3]); });
    default: return false;
  }
}

// Live: which bytes of the file the call has changed. An offset in memory has moved on by now.
Range changed(const Call& call, long result, uint64_t old_size, uint64_t new_size) {
  if (call.nr == SYS_fallocate) return {static_cast<uint64_t>(call.args[2]), call.args[2] + static_cast<uint64_t>(call.args[3])};
  if (call.nr == SYS_open || call.nr == SYS_openat || call.nr == SYS_creat) return {0, 0};
  if (call.nr == SYS_ftruncate || call.nr == SYS_truncate) {
    return old_size < new_size ? Range{old_size, new_size} : Range{new_size, page_up(new_size)};
  }
  const uint64_t count = result;
  uint64_t offset = 0;
  if (has_offset(call, &offset)) {
    const bool in_memory = call.nr == SYS_copy_file_range || call.nr == SYS_splice;
    return in_memory ? Range{offset - count, offset} : Range{offset, offset + count};
  }
  const long end = raw(SYS_lseek, written_descriptor(call, result), 0, SEEK_CUR);
  return {end - count, static_cast<uint64_t>(end)};
}

void put_memory(Thread& t, uint64_t at, uint64_t size) {
  for (; size; ) {
    const uint64_t part = size < kPiece ? size : kPiece;
    const Segment segment = {at, static_cast<uint32_t>(part)};
    put(t, tape::kMemory, 0, static_cast<int64_t>(at), &segment, 1);
    at += part;
    size -= part;
  }
}

void put_changes(Thread& t, long object, Range r) {
  for (int i = 0; i < mapping_count; ++i) {
    const Mapping& m = mappings[i];
    if (m.object != object) continue;
    const uint64_t begin = r.begin > m.offset ? r.begin : m.offset;
    const uint64_t limit = m.offset + (m.end - m.begin);
    const uint64_t end = r.end < limit ? r.end : limit;
    if (begin < end) put_memory(t, m.begin + (begin - m.offset), end - begin);
  }
}

void record_writes(Thread& t, const Call& call, long result) {
  struct stat status;
  const long object = target(call, result, &status);
  if (object == kNoObject) return;
  const uint64_t old_size = objects[object].size, new_size = status.st_size;
  objects[object].size = new_size;
  const Range range = changed(call, result, old_size, new_size);
  // A write behind the end makes a hole before it; pages behind the end cannot be read.
  const uint64_t begin = range.begin > old_size ? old_size : range.begin;
  const uint64_t readable = page_up(new_size);
  put_changes(t, object, {begin, range.end < readable ? range.end : readable});
}

// The page is the program's, and its protection may keep us from it.
void impose_memory(const Record* record) {
  const Bytes bytes = segment(record, 0);
  const uint64_t at = record->value;
  for (int i = 0; i < mapping_count; ++i) {
    const Mapping& m = mappings[i];
    if (at < m.begin || at + bytes.size > m.end) continue;
    raw(SYS_pwrite64, objects[m.object].memory, bytes.at, bytes.size, m.offset + (at - m.begin));
    return;
  }
  fail(Verdict::broken, "the tape names memory that is no mapping of a file");
}

void replay_writes() {
  for (const Record* next; (next = peek())->kind == tape::kMemory;) {
    impose_memory(next);
    advance(0);
  }
}

}  // namespace

long shared_object(long fd, const char** why) {
  struct stat status;
  if (raw(SYS_fstat, fd, &status) != 0) return kNoObject;
  *why = "a shared writable mapping of what is no regular file";
  if ((status.st_mode & S_IFMT) != S_IFREG) return kNoObject;
  *why = nullptr;
  const long known = find(status);
  if (known != kNoObject) return known;
  *why = object_count == kObjects ? "more than 256 files that are mapped shared" : why_not_alone(fd);
  if (*why) return kNoObject;
  objects[object_count] = {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size), 0};
  return object_count++;
}

void add_shared_mapping(uint64_t at, uint64_t size, long object, uint64_t offset, bool writable) {
  add({at, at + size, offset, object, writable});
}

void forget_shared_mappings(uint64_t begin, uint64_t end) {
  for (int i = mapping_count - 1; i >= 0; --i) {
    if (mappings[i].begin < end && begin < mappings[i].end) cut(i, begin, end);
  }
}

void move_shared_mapping(uint64_t from, uint64_t to, uint64_t size) {
  for (int i = 0; i < mapping_count; ++i) {
    if (mappings[i].begin != from) continue;
    Mapping m = mappings[i];
    forget_shared_mappings(m.begin, m.end);
    m.begin = to;
    m.end = to + size;
    if (!live()) object_memory(m.object, m.offset + size);
    return add(m);
  }
}

long object_memory(long object, uint64_t bytes) {
  if (object < 0 || object >= kObjects) fail(Verdict::broken, "a shared mapping on the tape is malformed");
  Object& o = objects[object];
  if (!o.memory) {
    const long fd = raw(SYS_memfd_create, "reprise", MFD_CLOEXEC);
    if (fd < 0) fail(Verdict::broken, "replay cannot make memory for a mapped file");
    o.memory = move_high(fd);
  }
  if (object >= object_count) object_count = static_cast<int>(object) + 1;
  if (bytes > o.size) raw(SYS_ftruncate, o.memory, o.size = page_up(bytes));
  return o.memory;
}

bool has_writable_shared_files() {
  for (int i = 0; i < mapping_count; ++i) {
    if (mappings[i].writable) return true;
  }
  return false;
}

bool changes_mapped_file(const Call& call) {
  struct stat status;
  return mapping_count && live() && target(call, -1, &status) != kNoObject;
}

void follow_file_writes(Thread& t, const Call& call, long result) {
  if (!mapping_count || result < 0 || !writes_file(call)) return;
  if (!live()) return replay_writes();
  if (mode == Mode::record) record_writes(t, call, result);
}

}  // namespace reprise::stage
