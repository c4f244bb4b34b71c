// How GoogleTest calls programs of the corpus: by name. Else it prints their bytes, and ctest's names hold addresses.
#pragma once

#include <ostream>

#include "corpus/programs/go_bugs/bugs.h"
#include "corpus/programs/kernels/kernels.h"
#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace kernels {
inline void PrintTo(const Kernel& kernel, std::ostream* to) { *to << kernel.name; }
}  // namespace kernels

namespace go_bugs {
inline void PrintTo(const Bug& bug, std::ostream* to) { *to << bug.name; }
}  // namespace go_bugs

namespace sim_bugs {
inline void PrintTo(const Bug& bug, std::ostream* to) { *to << bug.name; }
}  // namespace sim_bugs
