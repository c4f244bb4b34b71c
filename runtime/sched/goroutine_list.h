// The description of the list of goroutines that readers outside are given.
#pragma once

#include "runtime/seam/goroutine_list.h"

namespace reprise::rt {

// REQUIRES: boot has noted where the executable lies. Never freed, never changed.
const seam::GoroutineList* goroutine_list();

}  // namespace reprise::rt
