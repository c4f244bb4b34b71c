// The parent's half of the watchdog: sees that events stand still while a thread computes.
//
// Under the baton a loop that waits for another thread's store never ends. If no event comes while
// one thread of the child uses up a limit of CPU time, that thread is sent tape::kWatchdogSignal; the
// stage then decides whether it keeps anybody waiting (runtime/stage/watchdog.h). CPU time, not wall
// time: a loaded machine is no reason.
//
// Thread safety: one thread, the scribe's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

#include "runtime/seam/tape.h"

namespace reprise::trace {

class Watchdog {
 public:
  // `control` must outlive *this.
  void start(tape::Control& control, pid_t child, uint64_t limit_ns);

  // Cheap: reads a clock, and /proc a few times a second while events stand still.
  void look();

 private:
  void ask_spinning_thread();

  tape::Control* control_ = nullptr;
  pid_t child_ = -1;
  uint64_t limit_ns_ = 0;
  uint64_t events_ = 0;
  uint64_t next_look_ns_ = 0;
  std::map<pid_t, uint64_t> cpu_ns_;  // of each thread, when events began to stand still
};

}  // namespace reprise::trace
