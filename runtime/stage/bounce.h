// The buffer of a call that may block, while the caller does not hold the baton.
//
// The kernel fills a buffer when the call ends, which is before the caller has the baton again: other
// threads, or the end of the run, would see the bytes at a moment that no record tells. So calls that
// fill one buffer fill one of the stage's, and the bytes go to the program's under the baton. Calls
// that fill several places (readv, recvmsg, poll, ...) still write them directly.
//
// Thread safety: each thread has a buffer of its own.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

class Bounce {
 public:
  // Holding the baton, before the call. `args` are the call's, changed to name the stage's buffer if
  // it is a call that fills one and other threads are alive.
  Bounce(const Thread& t, long nr, long* args);

  // Holding the baton again: hands the bytes over. The result as the program is to see it.
  long finish(long result) const;

 private:
  long place_ = 0;    // the program's buffer; 0: nothing to hand over
  long buffer_ = 0;   // ours
  long unit_ = 1;     // bytes that one of the result stands for
  long bytes_ = 0;    // what the buffers hold
};

}  // namespace reprise::stage
