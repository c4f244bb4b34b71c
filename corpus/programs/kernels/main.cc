// A kernel as a whole program: build/corpus/NAME and build/corpus/NAME_fixed. KERNEL and FIXED come from
// the build.
#include <reprise/main.h>

#include "corpus/programs/kernels/kernels.h"

namespace {

void run() { kernels::KERNEL(FIXED); }

}  // namespace

REPRISE_MAIN(run)
