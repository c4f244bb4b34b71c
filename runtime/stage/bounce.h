// Copies of a call's memory, for a call that may block while other threads run.
//
// The kernel reads and writes the memory of a call while its caller does not hold the baton: other
// threads, or the end of the run, would see the bytes at a moment that no record tells. So such a
// call is made on copies that the stage owns. What it reads is copied in before the baton is put
// down, what it wrote is handed over once it is held again. Which memory that is, the model says
// (model.inc): nothing here knows a call by name but those whose arguments are no copies (below).
//
// Not copied: memory that names something (a futex's word), pages that the kernel keeps beyond the
// call (vmsplice, MSG_ZEROCOPY), pointers inside arguments (pselect6's mask), and calls with more
// than 64 MiB.
//
// Thread safety: each thread has copies of its own, in memory that stays mapped.
#pragma once

#include "runtime/stage/call.h"
#include "runtime/stage/model.h"

namespace reprise::stage {

class Bounce {
 public:
  // Holding the baton, before the call.
  Bounce(const Thread& t, const Call& call);
  Bounce(const Bounce&) = delete;
  Bounce& operator=(const Bounce&) = delete;

  // What the kernel is to be asked.
  const long* args() const { return copied_.args; }

  // Holding the baton again: hands over what the kernel wrote, and lists where (kMaxSegments
  // places). The result as the program is to see it.
  long finish(long result, const model::Before& before, Segment* segments, int* count) const;

 private:
  const Call& call_;
  Call copied_;      // the call on copies; the same as call_ if nothing is copied
  uint64_t memory_;  // of this thread's copies; 0: nothing is copied
  uint64_t used_;    // up to there
};

}  // namespace reprise::stage
