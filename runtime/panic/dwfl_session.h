// libdw sessions of this process: the one of a process that is reporting its own death, and others for who goes on afterwards.
#pragma once

#include <elfutils/libdwfl.h>

#include "runtime/panic/traceback.h"

namespace reprise::rt {

// Opened at first use, never closed: the process is about to end. Null if libdw cannot start.
Dwfl* dwfl_session();

// Another one, for names alone, with the modules that are loaded now; the caller's, who ends it by dwfl_end(). Null likewise. Any
// thread, each with a session of its own.
Dwfl* open_dwfl_session();

// What the unwinder's callbacks read; set before each unwinding.
struct UnwindInput {
  Registers registers;
  StackBounds bounds;
};
UnwindInput& unwind_input();

}  // namespace reprise::rt
