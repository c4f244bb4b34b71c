// User text: the executable segments of the program's executable, without the runtime's section.
//
// tools/link/runtime_text.py gives the runtime's archives a text section of their own, inline functions
// included, so that its bounds tell the two apart. Everything else in the executable is the program's: its
// sources, static libraries that it links, entries of the linkage table (one jump each, since programs
// are bound at once). The runtime calls libraries past that table (-fno-plt): an entry on the way from the middle of
// mallocgc to memset would be taken for the program's. libc, libstdc++, libgcc and all other shared libraries are foreign: a goroutine in the
// middle of malloc, of the unwinder or of a FILE is not interrupted. A program without a dynamic linker
// has libc in its own text, and is left alone altogether.
#include "runtime/signal/user_text.h"

#include <link.h>

#include <algorithm>

extern "C" {
extern char __start_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
extern char __stop_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
}

namespace reprise::rt {

namespace {

// What a toolchain makes is one segment, or few.
constexpr int kMaxSegments = 8;

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool has(uint64_t pc) const { return pc >= begin && pc < end; }
};

struct UserText {
  Range segments[kMaxSegments];
  int count = 0;
  bool dynamic = false;
  Range runtime;
};
constinit UserText text;  // written at boot

// The executable is the first that is reported.
int note_executable(dl_phdr_info* info, size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type == PT_INTERP) text.dynamic = true;
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0 || text.count == kMaxSegments) continue;
    const uint64_t begin = info->dlpi_addr + header.p_vaddr;
    text.segments[text.count++] = {begin, begin + header.p_memsz};
  }
  return 1;
}

}  // namespace

bool user_text_init() {
  dl_iterate_phdr(note_executable, nullptr);
  text.runtime = {reinterpret_cast<uint64_t>(__start_reprise_runtime_text),
                  reinterpret_cast<uint64_t>(__stop_reprise_runtime_text)};
  if (!text.dynamic || text.runtime.begin == text.runtime.end) text.count = 0;
  return text.count != 0;
}

bool in_user_text(uint64_t pc) {
  return !text.runtime.has(pc) && std::any_of(text.segments, text.segments + text.count,
                                              [pc](const Range& range) { return range.has(pc); });
}

}  // namespace reprise::rt
