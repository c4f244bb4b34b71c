// The source frames of a goroutine that stands, from what the scheduler knows of it.
//
// Read on g0, as tracebacks are: libdw keeps a number of its thread's across its locks, and a goroutine that
// moved in one of them ended in "libdw: Cannot allocate memory", or had written where another thread did.
#pragma once

#include <string>
#include <vector>

#include "runtime/panic/traceback.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::test {

struct Frames {
  const rt::G* gp;
  std::vector<std::string> functions;  // innermost first

  void read() {
    uint64_t pcs[32];
    const size_t count = rt::unwind(rt::registers_of(gp->ctx.sched), {gp->ctx.stack_lo, gp->ctx.stack_hi}, pcs);
    for (size_t i = 0; i < count; ++i) {
      rt::each_source_frame(pcs[i], i == 0, [](const rt::SourceFrame& frame, void* arg) {
        static_cast<std::vector<std::string>*>(arg)->push_back(frame.function);
      }, &functions);
    }
    rt::happens_before(this);  // the goroutine goes on with it
  }
};

// On a goroutine.
inline std::vector<std::string> frames_of(const rt::G* gp) {
  Frames frames{gp, {}};
  rt::systemstack([](void* arg) { static_cast<Frames*>(arg)->read(); }, &frames);
  rt::happens_after(&frames);
  return frames.functions;
}

}  // namespace reprise::test
