// Standing still for the parent, which looks at the program's memory before the stage ends the run.
#pragma once

#include "runtime/seam/goroutine_list.h"

namespace reprise::stage {

// The program's own description of its goroutines; null if it does not link Reprise. Set through
// Table::goroutines, under the baton.
extern const seam::GoroutineList* volatile goroutines;

// Returns when the parent has looked, is gone, or wants no halt. REQUIRES: on the stage's stack of a
// thread of the program, with the baton.
void halt();

}  // namespace reprise::stage
