// Sites of the program, by frame pointers, and by unwinding where libraries are in between.
//
// The chain is followed through frames of the runtime only. Each of these has stored its caller's rbp by the time it
// calls, and the last one's caller is where the search ends, so no word is read that is not a frame's. A
// frame of asm/ or of a new goroutine ends the chain (rbp is 0, or lies on another stack, below): then
// what called is the runtime itself.
#include "runtime/sched/site.h"

#include <unwind.h>

extern "C" {
// Defined by the linker: the bounds of the executable's text, and of the runtime's part of it.
extern const char __executable_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));
extern char __start_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
extern char __stop_reprise_runtime_text[] __attribute__((weak, visibility("hidden")));
}

namespace reprise::rt {

namespace {

// What a frame pointer points to (System V ABI).
struct Frame {
  const Frame* caller;
  const void* return_address;
};

constexpr int kMaxFrames = 64;

bool is_runtime(const void* pc) { return pc >= __start_reprise_runtime_text && pc < __stop_reprise_runtime_text; }

// An instruction's offset in the executable, so that a site holds for every load address; 0 if it is not in the
// executable's text. Where a linker puts the runtime's section does not matter.
seam::Site site_of(const void* pc) {
  const bool in_text = pc >= __executable_start && (pc < etext || pc < __stop_reprise_runtime_text);
  return in_text ? static_cast<const char*>(pc) - __executable_start : 0;
}

struct Search {
  seam::Site found = 0;
  int frames = 0;
};

_Unwind_Reason_Code look_at_frame(_Unwind_Context* context, void* arg) {
  auto* search = static_cast<Search*>(arg);
  const auto* pc = reinterpret_cast<const void*>(_Unwind_GetIP(context));
  if (!is_runtime(pc)) search->found = site_of(pc);
  return search->found != 0 || ++search->frames == kMaxFrames ? _URC_END_OF_STACK : _URC_NO_REASON;
}

[[gnu::cold]] seam::Site site_by_unwinding() {
  Search search;
  _Unwind_Backtrace(look_at_frame, &search);
  return search.found;
}

}  // namespace

uint64_t pc_of(seam::Site site) {
  return site == 0 ? 0 : site + reinterpret_cast<uint64_t>(__executable_start);
}

seam::Site program_site(const void* address) {
  const auto* frame = static_cast<const Frame*>(address);
  while (is_runtime(frame->return_address)) {
    const Frame* caller = frame->caller;
    if (caller <= frame) return site_of(frame->return_address);
    frame = caller;
  }
  const seam::Site site = site_of(frame->return_address);
  if (__builtin_expect(site != 0, 1)) return site;
  return site_by_unwinding();
}

}  // namespace reprise::rt
