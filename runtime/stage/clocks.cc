// The vdsos: mapping ours, and finding clock_gettime in the kernel's.
//
// The kernel's vdso is an ELF image in memory, fully described by its dynamic section. Its
// clock_gettime uses general registers only and some hundred bytes of stack, so that calling it
// from the stage's stack leaves nothing in the program.
#include "runtime/stage/clocks.h"

#include <elf.h>
#include <sys/mman.h>
#include <time.h>

#include "runtime/seam/tape.h"
#include "runtime/stage/gate_offsets.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

extern "C" const char stage_vdso_image[];
extern "C" const char stage_vdso_image_end[];

namespace reprise::stage {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kUsPerSecond = 1'000'000;

using ClockGettime = int (*)(clockid_t, timespec*);
ClockGettime kernel_clock_gettime = nullptr;

// What of a dynamic section a symbol is found by.
struct Symbols {
  const Elf64_Sym* table = nullptr;
  const char* names = nullptr;
  const uint32_t* hash = nullptr;      // DT_HASH: buckets, chains (= number of symbols)
  const uint32_t* gnu_hash = nullptr;  // DT_GNU_HASH
};

uint64_t load_bias(const Elf64_Ehdr* header, const Elf64_Dyn** dynamic) {
  auto* segments = reinterpret_cast<const Elf64_Phdr*>(
      reinterpret_cast<const char*>(header) + header->e_phoff);
  uint64_t bias = 0;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0) {
      bias = reinterpret_cast<uint64_t>(header) - segments[i].p_vaddr;
    }
  }
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type != PT_DYNAMIC) continue;
    *dynamic = reinterpret_cast<const Elf64_Dyn*>(bias + segments[i].p_vaddr);
  }
  return bias;
}

Symbols symbols_of(const Elf64_Dyn* dynamic, uint64_t bias) {
  Symbols found;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const uint64_t at = bias + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_SYMTAB) found.table = reinterpret_cast<const Elf64_Sym*>(at);
    if (dynamic->d_tag == DT_STRTAB) found.names = reinterpret_cast<const char*>(at);
    if (dynamic->d_tag == DT_HASH) found.hash = reinterpret_cast<const uint32_t*>(at);
    if (dynamic->d_tag == DT_GNU_HASH) found.gnu_hash = reinterpret_cast<const uint32_t*>(at);
  }
  return found;
}

// A GNU hash table does not hold its length: the last chain's end tells.
uint32_t gnu_symbol_count(const uint32_t* table) {
  const uint32_t buckets = table[0], first = table[1], bloom_words = table[2];
  const uint32_t* bucket = table + 4 + 2 * bloom_words;
  const uint32_t* chain = bucket + buckets;
  uint32_t last = 0;
  for (uint32_t i = 0; i < buckets; ++i) last = bucket[i] > last ? bucket[i] : last;
  if (last < first) return first;
  while (!(chain[last - first] & 1)) ++last;
  return last + 1;
}

uint32_t symbol_count(const Symbols& symbols) {
  if (symbols.hash) return symbols.hash[1];
  return symbols.gnu_hash ? gnu_symbol_count(symbols.gnu_hash) : 0;
}

}  // namespace

bool map_vdso() {
  const uint64_t size = page_up(static_cast<uint64_t>(stage_vdso_image_end - stage_vdso_image));
  const long at = raw(SYS_mmap, uint64_t{REPRISE_VDSO_BASE}, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != static_cast<long>(REPRISE_VDSO_BASE)) return false;
  memcpy(reinterpret_cast<void*>(at), stage_vdso_image, stage_vdso_image_end - stage_vdso_image);
  return raw(SYS_mprotect, at, size, PROT_READ | PROT_EXEC) == 0;
}

uint64_t vdso_address() { return REPRISE_VDSO_BASE; }

void find_kernel_vdso(uint64_t elf_header) {
  if (!elf_header) return;
  const Elf64_Dyn* dynamic = nullptr;
  const uint64_t bias = load_bias(reinterpret_cast<const Elf64_Ehdr*>(elf_header), &dynamic);
  if (!dynamic) return;
  const Symbols symbols = symbols_of(dynamic, bias);
  if (!symbols.table || !symbols.names) return;
  for (uint32_t i = 0; i < symbol_count(symbols); ++i) {
    const Elf64_Sym& symbol = symbols.table[i];
    if (symbol.st_shndx == SHN_UNDEF) continue;
    if (!equal(symbols.names + symbol.st_name, "__vdso_clock_gettime")) continue;
    kernel_clock_gettime = reinterpret_cast<ClockGettime>(bias + symbol.st_value);
  }
}

int64_t real_clock(int id, bool may_use_tsc) {
  constexpr int kUnits = tape::kMicroseconds | tape::kSeconds;
  const int unit = id >= 0 ? id & kUnits : 0;  // clocks of processor time are negative
  const int clock_id = id & ~unit;
  timespec now = {};
  const long error = may_use_tsc && kernel_clock_gettime
                         ? kernel_clock_gettime(clock_id, &now)
                         : raw(SYS_clock_gettime, clock_id, &now);
  if (error) return error;
  switch (unit) {
    case tape::kMicroseconds: return now.tv_sec * kUsPerSecond + now.tv_nsec / 1000;
    case tape::kSeconds: return now.tv_sec;
    default: return now.tv_sec * kNsPerSecond + now.tv_nsec;
  }
}

}  // namespace reprise::stage
