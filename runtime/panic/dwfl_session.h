// The one libdw session of a process that is reporting its own death. runtime/panic only.
#pragma once

#include <elfutils/libdwfl.h>

#include "runtime/panic/traceback.h"

namespace reprise::rt {

// Opened at first use, never closed: the process is about to end. Null if libdw cannot start.
Dwfl* dwfl_session();

// What the unwinder's callbacks read; set before each unwinding.
struct UnwindInput {
  Registers registers;
  StackBounds bounds;
};
UnwindInput& unwind_input();

}  // namespace reprise::rt
