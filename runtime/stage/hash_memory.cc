// One hash of all writable memory of the program, its addresses included: what "replayed bit for
// bit" is checked against on request.
//
// Memory counts page by page and only where it is not zero: a page that was never touched, one that
// was read and one that was zeroed are the same to the program. The page map of
// the kernel says which to look at, because reservations of many gigabytes are common (goroutine
// stacks). Mappings of the stage, the tape and the runtime's own arena lie above kProgramEnd and
// differ by design.
#include <fcntl.h>

#include "runtime/stage/hash.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/maps.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/stage.h"
#include "runtime/stage/text.h"
#include "runtime/stage/thread.h"

namespace reprise::stage {
namespace {

constexpr uint64_t kPresentOrSwapped = 3ull << 62;
constexpr uint64_t kChunk = 512;
uint64_t page_map[kChunk];

void report_mapping(const Mapping& m, uint64_t hash) {
  Line line;
  line << "memory ";
  line.hex(m.begin) << "-";
  line.hex(m.end) << " ";
  line.hex(hash) << " " << m.path << "\n";
  say(line.text);
}

bool zero_page(uint64_t page) {
  uint64_t any = 0;
  for (uint64_t at = page; at < page + kPage; at += 8) any |= *reinterpret_cast<uint64_t*>(at);
  return any == 0;
}

uint64_t hash_page(uint64_t hash, uint64_t page) {
  return zero_page(page) ? hash : mix_bytes(mix(hash, page), reinterpret_cast<void*>(page), kPage);
}

uint64_t hash_pages(uint64_t hash, uint64_t begin, uint64_t end) {
  // A guard marker of the kernel's (MADV_GUARD_INSTALL) counts as swapped, and faults.
  for (uint64_t page = begin; page < end; page += kPage)
    guarded([&] { hash = hash_page(hash, page); });
  return hash;
}

// PAGEMAP_SCAN (Linux 6.7): skips what was never touched by whole page tables at a time. Laid out as
// the kernel has it; its header is newer than the distribution's.
struct PageRegion {
  uint64_t begin, end, categories;
};
struct PageScan {
  uint64_t size, flags, start, end, walk_end, regions, regions_length, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
constexpr unsigned long kPagemapScan = 0xc060'6610;
constexpr uint64_t kPageIsPresent = 8, kPageIsSwapped = 16;
PageRegion regions[64];

// False: the kernel does not know the call.
bool hash_scanned(const Mapping& m, uint64_t* hash, long page_map_fd) {
  PageScan scan{};
  scan.size = sizeof scan;
  scan.regions = reinterpret_cast<uint64_t>(regions);
  scan.regions_length = sizeof regions / sizeof regions[0];
  scan.category_anyof_mask = scan.return_mask = kPageIsPresent | kPageIsSwapped;
  scan.end = m.end;
  for (scan.walk_end = m.begin; scan.walk_end < m.end;) {
    scan.start = scan.walk_end;
    const long n = raw(SYS_ioctl, page_map_fd, kPagemapScan, &scan);
    if (n < 0) return false;
    for (long i = 0; i < n; ++i) *hash = hash_pages(*hash, regions[i].begin, regions[i].end);
  }
  return true;
}

uint64_t hash_anonymous(const Mapping& m, uint64_t hash, long page_map_fd) {
  const uint64_t before = hash;
  if (hash_scanned(m, &hash, page_map_fd)) return hash;
  hash = before;
  for (uint64_t page = m.begin; page < m.end; page += kChunk * kPage) {
    const uint64_t left = (m.end - page) / kPage;
    const uint64_t n = left < kChunk ? left : kChunk;
    const long got = raw(SYS_pread64, page_map_fd, page_map, n * 8, page / kPage * 8);
    for (uint64_t i = 0; i < n; ++i) {
      if (got == static_cast<long>(n * 8) && !(page_map[i] & kPresentOrSwapped)) continue;
      hash = hash_pages(hash, page + i * kPage, page + (i + 1) * kPage);
    }
  }
  return hash;
}

// A file that is no executable is anonymous memory in replay, so it counts in the same way: by page,
// borders apart. Pages behind its end fault here and are zero there.
uint64_t hash_file_mapping(const Mapping& m, uint64_t hash) {
  for (uint64_t page = m.begin; page < m.end; page += kPage) {
    guarded([&] { hash = hash_page(hash, page); });
  }
  return hash;
}

uint64_t hash_mapping(const Mapping& m, uint64_t hash, long page_map_fd) {
  return m.path[0] == '/' ? hash_file_mapping(m, hash) : hash_anonymous(m, hash, page_map_fd);
}

}  // namespace

uint64_t hash_memory() {
  uint64_t hash = 1;
  if (!read_maps()) return 0;
  const long fd = raw(SYS_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  for (Mapping m; next_mapping(&m);) {
    if (m.end > tape::kProgramEnd || !m.readable || !m.writable) continue;
    hash = hash_mapping(m, hash, fd);
    if (option(tape::kVerbose)) report_mapping(m, hash);
  }
  raw(SYS_close, fd);
  return hash;
}

}  // namespace reprise::stage
