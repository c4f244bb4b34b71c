// What every executable and library with counted code carries: it maps the tick page, sorts the table
// of its counted text, links itself in, and takes the ticks out again in native mode, until somebody explores.
//
// It runs before any code of its module: from .preinit_array in an executable, which is before the
// constructors of its libraries, and as the first constructor of a library. (Left are ifunc resolvers:
// mark them REPRISE_UNCOUNTED.)
//
// Native mode needs no ticks, and there several Ps would write the same word, whose cache line then
// moves between cores. So each site becomes a nop of the
// same length before its code first runs, while no other thread can be in it. Where the `js` led stands in the
// nop's displacement, so that the site can be put back. The text is private to
// the process from then on, and writable for that moment; where the system forbids it (a policy that
// does not let text be written) the sites stay, and are merely slow.
//
// Linked into the module itself, hidden: it uses libc, but nothing of the runtime, so that a counted
// library also works in a program that does not link Reprise.
#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "asm/tick_page.h"
#include "runtime/stage/abi.h"

extern "C" {
// Bounds of the module's own sections, by the linker.
extern char __start_reprise_text[] __attribute__((weak, visibility("hidden")));
extern char __stop_reprise_text[] __attribute__((weak, visibility("hidden")));
extern char __start_reprise_sites[] __attribute__((weak, visibility("hidden")));
extern char __stop_reprise_sites[] __attribute__((weak, visibility("hidden")));

// Puts the counter out of reach and goes on (module_amd64.S).
void reprise_tick_rearm() __attribute__((visibility("hidden")));
// Names this file to the linker, which else would leave it in its archive.
__attribute__((visibility("hidden"))) extern const char reprise_counted_module = 0;
}

namespace {

using reprise::asm_::CountedModule;
using reprise::asm_::CountedRange;
using reprise::asm_::TickPage;

CountedModule module;

[[noreturn]] void die(const char* message) {
  // Nothing to do about an error: the process ends on the next line.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, message, std::strlen(message));
  _exit(64);
}

TickPage* map_page() {
  void* const at = reinterpret_cast<void*>(TICK_PAGE);
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  void* const got = mmap(at, reprise::asm_::kTickPageBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  TickPage* const page = reprise::asm_::tick_page();
  if (got == at) {
    page->counter = INT64_MAX;
    page->slow = reprise_tick_rearm;
    page->magic = reprise::asm_::kTickPageMagic;
    return page;
  }
  // Another module was here first; anything else at this address is not ours to touch.
  if (got != MAP_FAILED) munmap(got, reprise::asm_::kTickPageBytes);
  if (page->magic != reprise::asm_::kTickPageMagic) die("reprise: the page of counted code is taken\n");
  return page;
}

// Entries say where the range begins relative to themselves, as a linker can; sorted, relative to the
// table.
void sort_ranges() {
  auto* const ranges = reinterpret_cast<CountedRange*>(__start_reprise_text);
  auto* const end = reinterpret_cast<CountedRange*>(__stop_reprise_text);
  const auto count = static_cast<size_t>(end - ranges);
  if (count == 0) return;
  for (CountedRange* r = ranges; r != end; ++r)
    r->begin += static_cast<int32_t>(reinterpret_cast<char*>(r) - __start_reprise_text);
  const auto before = [](const CountedRange& a, const CountedRange& b) { return a.begin < b.begin; };
  if (!std::is_sorted(ranges, end, before)) std::sort(ranges, end, before);
  const auto table = reinterpret_cast<uint64_t>(__start_reprise_text);
  module.ranges = ranges;
  module.ranges_end = end;
  module.text_begin = table + ranges->begin;
  module.text_end = table + ranges[count - 1].begin + ranges[count - 1].bytes;
}

// A site as the compiler made it, up to how far its `js` jumps, and as two nops, with that in the middle.
constexpr unsigned char kSub[] = {0x48, 0x83, 0x2c, 0x25, 0, 0, TICK_PAGE >> 16, 0, 1, 0x0f, 0x88};
constexpr unsigned char kNop[] = {0x66, 0x0f, 0x1f, 0x84, 0};              // nopw disp32(%rax,%rax,1)
constexpr unsigned char kRestOfNop[] = {0x66, 0x0f, 0x1f, 0x44, 0, 0};     // nopw 0(%rax,%rax,1)
using Jump = unsigned char[4];
static_assert(sizeof kSub + sizeof(Jump) == reprise::asm_::kTickSiteBytes);
static_assert(sizeof kNop + sizeof(Jump) + sizeof kRestOfNop == reprise::asm_::kTickSiteBytes);

bool begins_with(const unsigned char* at, const auto& bytes) { return std::memcmp(at, bytes, sizeof bytes) == 0; }

void take_out(unsigned char* site) {
  if (!begins_with(site, kSub)) return;
  std::memmove(site + sizeof kNop, site + sizeof kSub, sizeof(Jump));
  std::memcpy(site, kNop, sizeof kNop);
  std::memcpy(site + sizeof kNop + sizeof(Jump), kRestOfNop, sizeof kRestOfNop);
}

void put_back(unsigned char* site) {
  if (!begins_with(site, kNop) || !begins_with(site + sizeof kNop + sizeof(Jump), kRestOfNop)) return;
  std::memmove(site + sizeof kSub, site + sizeof kNop, sizeof(Jump));
  std::memcpy(site, kSub, sizeof kSub);
}

void tick(bool on) {
  const uint64_t size = sysconf(_SC_PAGESIZE);
  const uint64_t begin = module.text_begin & ~(size - 1);
  const uint64_t end = (module.text_end + size - 1) & ~(size - 1);
  void* const text = reinterpret_cast<void*>(begin);
  // Executable throughout: this code may lie in the same pages.
  if (mprotect(text, end - begin, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return;
  for (char* entry = __start_reprise_sites; entry != __stop_reprise_sites; entry += sizeof(int32_t)) {
    int32_t offset;
    std::memcpy(&offset, entry, sizeof offset);
    (on ? put_back : take_out)(reinterpret_cast<unsigned char*>(entry + offset));
  }
  if (mprotect(text, end - begin, PROT_READ | PROT_EXEC) != 0) die("reprise: cannot protect counted text\n");
}

// Released, so that a reader that sees the module sees what it says.
void link_in(TickPage* page) {
  module.next = page->modules;
  module.tick = tick;
  __atomic_store_n(&page->modules, &module, __ATOMIC_RELEASE);
  ++page->module_count;
}

void start() {
  TickPage* const page = map_page();
  sort_ranges();
  if (module.ranges == nullptr) return;
  if (getauxval(reprise::stage::kAuxTable) == 0) tick(false);
  link_in(page);
}

void stop() {
  if (module.ranges == nullptr) return;
  CountedModule** link = &reprise::asm_::tick_page()->modules;
  while (*link != &module) link = &(*link)->next;
  __atomic_store_n(link, module.next, __ATOMIC_RELEASE);
}

#ifdef REPRISE_COUNTED_EXECUTABLE
[[gnu::section(".preinit_array"), gnu::used]] void (*const start_entry)() = start;
#else
[[gnu::section(".init_array.00000"), gnu::used]] void (*const start_entry)() = start;
#endif
[[gnu::section(".fini_array.00000"), gnu::used]] void (*const stop_entry)() = stop;

}  // namespace
