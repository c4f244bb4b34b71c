// Memory of the program: mmap and its kin.
//
// Addresses come from address_space.h and never from the kernel. Anonymous memory is made the same
// way in record and replay. Executables and libraries (private mappings of ELF files) are mapped
// again on replay from the file, which must be the one recorded; of every other file the contents
// go on the tape and become anonymous memory.
//
// Shared mappings that could be written are shared_files' matter. Holes: a file that is mapped readable
// and changes afterwards, and accesses behind its end, which fault in record and not in replay.
#include "runtime/stage/memory.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runtime/stage/address_space.h"
#include "runtime/stage/events.h"
#include "runtime/stage/files.h"
#include "runtime/stage/fork_server.h"
#include "runtime/stage/instructions.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/rewrite.h"
#include "runtime/stage/shared_files.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

uint64_t brk_now = kBrkBase;
bool shared_memory = false;

// The stage, the tape and the thread blocks are not the program's to map over.
bool touches_stage(uint64_t begin, uint64_t size) {
  return begin < kStageEnd && begin + size > tape::kStageBase;
}

// A call on existing mappings: done in both modes, because memory is real in both, unless it failed
// when it was recorded.
template <typename F>
long mirrored(Thread& t, const Call& call, F&& perform) {
  if (live()) {
    const long result = perform();
    put(t, call.nr, call.check, result);
    return result;
  }
  const Record* record = expect(t, call, false);
  const long expected = record->value;
  if (expected >= 0 && perform() != expected) diverge(t, call, record);
  advance(call.check);
  return expected;
}

struct Request {
  uint64_t size;
  long protection, flags, fd, offset;
  bool fixed, anonymous;
};

Request request_of(const Call& call) {
  const long* a = call.args;
  const bool anonymous = a[3] & MAP_ANONYMOUS;
  return {page_up(a[1]), a[2], a[3], anonymous ? -1 : a[4], a[5],
          (a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0, anonymous};
}

// Where the mapping goes; 0 if nowhere.
uint64_t place(const Call& call, const Request& r) {
  if (!r.fixed) return claim_anywhere(r.size, r.flags & MAP_32BIT);
  claim(call.args[0], call.args[0] + r.size);
  text_gone(call.args[0], r.size);
  forget_shared_mappings(call.args[0], call.args[0] + r.size);
  return call.args[0];
}

// Policies learn from one run of a fork server to the next.
bool shared_by_runs(uint64_t at, const Request& r) {
  return at == tape::kPolicyArena && r.anonymous && fork_server_wanted();
}

long map_at(uint64_t at, const Request& r) {
  const bool no_replace = r.flags & MAP_FIXED_NOREPLACE;
  long flags = no_replace ? r.flags : (r.flags & ~MAP_32BIT) | MAP_FIXED;
  if (shared_by_runs(at, r)) flags = (flags & ~MAP_TYPE) | MAP_SHARED;
  return raw(SYS_mmap, at, r.size, r.protection, flags, r.fd, r.offset);
}

// The file has no data from here on: a fresh one that was only made long. (The place in the file is the
// program's and comes back.)
bool nothing_behind(long fd, uint64_t offset) {
  const long place = raw(SYS_lseek, fd, 0, SEEK_CUR);
  const long data = raw(SYS_lseek, fd, offset, SEEK_DATA);
  raw(SYS_lseek, fd, place, SEEK_SET);
  return data == -ENXIO;
}

// Bytes of the file behind this mapping.
uint64_t file_bytes(const FileIdentity& file, const Request& r) {
  const uint64_t offset = r.offset;
  if (offset >= file.size || (file.as_it_is == kSharedFile && nothing_behind(r.fd, offset))) return 0;
  return file.size - offset < r.size ? file.size - offset : r.size;
}

// Puts the record of a mapping whose contents it carries.
void put_contents(Thread& t, const Call& call, long result, const Request& r, FileIdentity& file) {
  Segment segments[2] = {{reinterpret_cast<uint64_t>(&file), file.bytes()}, {0, 0}};
  const uint64_t size = file_bytes(file, r);
  if (size > INT32_MAX) unmodelled(t, call, "a mapping of 2 GiB and more of a file that is not an executable");
  const bool readable = r.protection & PROT_READ;
  uint64_t at = result;
  if (size && !readable) at = raw(SYS_mmap, 0, size, PROT_READ, MAP_PRIVATE, r.fd, r.offset);
  segments[1] = {at, static_cast<uint32_t>(size)};
  put(t, call.nr, call.check, result, segments, size ? 2 : 1);
  if (size && !readable) raw(SYS_munmap, at, size);
}

void mapped_code(const FileIdentity& file, uint64_t at, const Request& r) {
  if (!(r.protection & PROT_EXEC)) return;
  trap_random_instructions(file.path, at, r.size, r.protection);
  if (!(r.protection & PROT_WRITE)) text_mapped(at, r.size);
}

bool is_shared(const Request& r) { return (r.flags & MAP_TYPE) != MAP_PRIVATE; }
bool is_writable(const Request& r) { return r.protection & PROT_WRITE; }

// The mapping may be written, now or after mprotect, or beside it by calls.
bool may_be_written(const Request& r) {
  return is_writable(r) || (raw(SYS_fcntl, r.fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR;
}

// The file's number if it is mapped as a shared one. Refuses what only others could tell us about.
long object_behind(Thread& t, const Call& call, const Request& r) {
  if (!is_shared(r) || !may_be_written(r)) return kNoObject;
  const char* why = nullptr;
  const long object = shared_object(r.fd, &why);
  if (why && is_writable(r)) unmodelled(t, call, why);
  return object;
}

long record_file(Thread& t, const Call& call, uint64_t at, const Request& r) {
  FileIdentity file;
  const bool known = identify(r.fd, &file);
  file.as_it_is = known && file.is_elf && r.flags & MAP_PRIVATE;
  const long object = object_behind(t, call, r);
  if (object != kNoObject) {
    file.as_it_is = kSharedFile;
    file.head = object;
  }
  const long result = map_at(at, r);
  if (result < 0) {
    put(t, call.nr, call.check, result);
  } else if (file.as_it_is != 1) {
    put_contents(t, call, result, r, file);
    if (object != kNoObject) add_shared_mapping(result, r.size, object, r.offset, is_writable(r));
  } else {
    const Segment segment = {reinterpret_cast<uint64_t>(&file), file.bytes()};
    put(t, call.nr, call.check, result, &segment, 1);
    mapped_code(file, result, r);
  }
  return result;
}

void map_again(const FileIdentity& file, uint64_t at, Request r) {
  r.fd = open_recorded(file);
  r.flags &= ~MAP_FIXED_NOREPLACE;
  if (map_at(at, r) != static_cast<long>(at)) fail(Verdict::broken, "replay cannot map a file again");
  raw(SYS_close, r.fd);
  mapped_code(file, at, r);
}

// Contents from the tape. The pages must be writable while they are filled.
bool map_contents(const Call& call, uint64_t at, const Request& r, const Record* record, long object) {
  const bool shared = object != kNoObject;
  const long flags = (shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS) | MAP_FIXED | (r.flags & MAP_NORESERVE);
  const long memory = shared ? object_memory(object, r.offset + r.size) : -1;
  if (raw(SYS_mmap, at, r.size, PROT_READ | PROT_WRITE, flags, memory, shared ? r.offset : 0) != static_cast<long>(at)) {
    return false;
  }
  FileIdentity file;
  const Segment places[2] = {{reinterpret_cast<uint64_t>(&file), sizeof file},
                             {at, static_cast<uint32_t>(r.size)}};
  if (record->segments > 2 || !take_segments(places, record->segments, call.check)) return false;
  return raw(SYS_mprotect, at, r.size, r.protection) == 0;
}

long replay_file(Thread& t, const Call& call, uint64_t at, const Request& r) {
  const Record* record = expect(t, call, false);
  if (record->value < 0) {
    const long result = record->value;
    advance(call.check);
    return result;
  }
  if (record->value != static_cast<long>(at)) diverge(t, call, record);
  FileIdentity file;
  const Bytes recorded = segment(record, 0);
  if (record->segments == 0 || recorded.size > sizeof file) fail(Verdict::broken, "a mapping on the tape is malformed");
  memcpy(&file, recorded.at, recorded.size);
  const long object = file.as_it_is == kSharedFile ? static_cast<long>(file.head) : kNoObject;
  if (file.as_it_is == 1) {
    map_again(file, at, r);
    advance(call.check);
  } else if (!map_contents(call, at, r, record, object)) {
    fail(Verdict::broken, "replay cannot fill a mapping");
  }
  if (object != kNoObject) add_shared_mapping(at, r.size, object, r.offset, is_writable(r));
  return at;
}

}  // namespace

bool has_shared_memory() { return shared_memory; }

long do_mmap(Thread& t, Call& call) {
  const Request r = request_of(call);
  if (call.args[1] == 0 || (r.fixed && call.args[0] & (kPage - 1))) return settled(t, call, -EINVAL);
  if (r.fixed && touches_stage(call.args[0], r.size)) return settled(t, call, -ENOMEM);
  const uint64_t at = place(call, r);
  if (!at) return settled(t, call, -ENOMEM);
  long result;
  if (r.anonymous) {
    result = mirrored(t, call, [&] { return map_at(at, r); });
    if (result > 0 && is_shared(r)) shared_memory = true;
  } else {
    result = live() ? record_file(t, call, at, r) : replay_file(t, call, at, r);
  }
  if (result < 0 && !r.fixed) release(at, at + r.size);
  return result;
}

long do_munmap(Thread& t, Call& call) {
  const uint64_t begin = call.args[0], size = page_up(call.args[1]);
  if (touches_stage(begin, size)) return settled(t, call, -EINVAL);
  const long result = mirrored(t, call, [&] { return raw(SYS_munmap, begin, size); });
  if (result == 0) {
    release(begin, begin + size);
    text_gone(begin, size);
    forget_shared_mappings(begin, begin + size);
  }
  return result;
}

long do_mprotect(Thread& t, Call& call) {
  if (touches_stage(call.args[0], call.args[1])) return settled(t, call, -ENOMEM);
  text_gone(call.args[0], call.args[1]);
  const long* a = call.args;
  return mirrored(t, call, [&] { return raw(call.nr, a[0], a[1], a[2], a[3]); });
}

// Growing moves unless the program forbids it: whether there is room behind a mapping is the
// kernel's knowledge.
long do_mremap(Thread& t, Call& call) {
  const long* a = call.args;
  const uint64_t old_size = page_up(a[1]), new_size = page_up(a[2]);
  if (touches_stage(a[0], old_size) || (a[3] & MREMAP_FIXED && touches_stage(a[4], new_size))) {
    return settled(t, call, -EINVAL);
  }
  if (a[3] & MREMAP_FIXED || new_size <= old_size) {
    const long result = mirrored(t, call, [&] { return raw(SYS_mremap, a[0], a[1], a[2], a[3], a[4]); });
    if (result > 0 && a[3] & MREMAP_FIXED) claim(a[4], a[4] + new_size);
    if (result > 0 && a[3] & MREMAP_FIXED) forget_shared_mappings(a[4], a[4] + new_size);
    if (result > 0) move_shared_mapping(a[0], result, new_size);
    if (result > 0 && result != a[0]) release(a[0], a[0] + old_size);
    if (result == a[0] && new_size < old_size) release(a[0] + new_size, a[0] + old_size);
    return result;
  }
  if (!(a[3] & MREMAP_MAYMOVE)) return settled(t, call, -ENOMEM);
  const uint64_t at = claim_anywhere(new_size, false);
  if (!at) return settled(t, call, -ENOMEM);
  const long result = mirrored(t, call, [&] { return raw(SYS_mremap, a[0], a[1], a[2], a[3] | MREMAP_FIXED, at); });
  if (result < 0) release(at, at + new_size);
  if (result > 0) move_shared_mapping(a[0], result, new_size);
  if (result > 0 && !(a[3] & MREMAP_DONTUNMAP)) release(a[0], a[0] + old_size);
  return result;
}

long do_brk(Thread& t, Call& call) {
  const uint64_t want = call.args[0];
  if (want < kBrkBase || want > kBrkBase + kBrkMax) return settled(t, call, brk_now);
  return mirrored(t, call, [&]() -> long {
    const uint64_t old = page_up(brk_now), now = page_up(want);
    if (now > old) {
      constexpr long kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      if (raw(SYS_mmap, old, now - old, PROT_READ | PROT_WRITE, kFlags, -1, 0) < 0) return brk_now;
    }
    if (now < old) raw(SYS_munmap, now, old - now);
    return brk_now = want;
  });
}

// MADV_FREE lets the kernel choose when pages become zero; now is as good.
long do_madvise(Thread& t, Call& call) {
  const long* a = call.args;
  if (touches_stage(a[0], a[1])) return settled(t, call, -ENOMEM);
  return mirrored(t, call, [&] { return raw(SYS_madvise, a[0], a[1], a[2] == MADV_FREE ? MADV_DONTNEED : a[2]); });
}

long do_mincore(Thread& t, Call& call) {
  const long* a = call.args;
  const Segment vector = {static_cast<uint64_t>(a[2]), static_cast<uint32_t>(page_up(a[1]) / kPage)};
  if (live()) {
    const long result = raw(SYS_mincore, a[0], a[1], a[2]);
    put(t, call.nr, call.check, result, &vector, result == 0);
    return result;
  }
  const long result = expect(t, call, false)->value;
  take_segments(&vector, result == 0, call.check);
  return result;
}

}  // namespace reprise::stage
