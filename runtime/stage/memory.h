// Calls that change the program's mappings, for trap.cc.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

long do_mmap(Thread& t, Call& call);
long do_munmap(Thread& t, Call& call);
long do_mprotect(Thread& t, Call& call);
long do_mremap(Thread& t, Call& call);
long do_brk(Thread& t, Call& call);
long do_madvise(Thread& t, Call& call);
long do_mincore(Thread& t, Call& call);

// A child must not share writable memory with the program unlogged.
bool has_shared_memory();

}  // namespace reprise::stage
