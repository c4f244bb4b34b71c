// Unwinding by call frame information, from registers that are not those of the caller.
//
// A parked goroutine's context holds rsp, rip and rbp; the rest lies on its stack, where the frame
// information of mcall says (asm/switch_amd64.S). If libdw gets nowhere, the frame pointers are
// followed instead: everything of ours keeps them.
#include "runtime/panic/traceback.h"

#include "runtime/panic/dwfl_session.h"

namespace reprise::rt {

namespace {

struct Collected {
  std::span<uint64_t> pcs;
  size_t count = 0;
};

int collect(Dwfl_Frame* frame, void* arg) {
  auto& out = *static_cast<Collected*>(arg);
  Dwarf_Addr pc = 0;
  bool exact = false;
  if (out.count == out.pcs.size() || !dwfl_frame_pc(frame, &pc, &exact)) return DWARF_CB_ABORT;
  // Behind a signal's frame (sigpanic) the instruction itself is meant: readers take one off.
  out.pcs[out.count] = pc + (exact && out.count != 0);
  ++out.count;
  return DWARF_CB_OK;
}

size_t follow_frame_pointers(const Registers& start, StackBounds bounds, std::span<uint64_t> pcs) {
  size_t count = 0;
  uint64_t frame = start.r[6];
  if (count < pcs.size()) pcs[count++] = start.r[16];
  while (count < pcs.size() && frame >= bounds.lo && frame + 16 <= bounds.hi && frame % 8 == 0) {
    const auto* words = static_cast<const uint64_t*>(bounds.at(frame));
    if (words[1] == 0) break;
    pcs[count++] = words[1];
    if (words[0] <= frame) break;
    frame = words[0];
  }
  return count;
}

}  // namespace

Registers registers_of(const asm_::Gobuf& saved) {
  Registers registers;
  registers.r[6] = saved.bp;
  registers.r[7] = saved.sp;
  registers.r[16] = saved.pc;
  return registers;
}

size_t unwind(const Registers& start, StackBounds bounds, std::span<uint64_t> pcs) {
  Collected collected{pcs};
  if (Dwfl* dwfl = dwfl_session()) {
    unwind_input() = {start, bounds};
    // The end of the stack is reported as an error; what counts is how far it came.
    dwfl_getthread_frames(dwfl, 1, collect, &collected);
  }
  return collected.count > 1 ? collected.count : follow_frame_pointers(start, bounds, pcs);
}

}  // namespace reprise::rt
