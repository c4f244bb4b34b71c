// The stage's own descriptors are not the program's to close, for trap.cc.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

long do_close(Thread& t, Call& call);
long do_close_range(Thread& t, Call& call);
long do_dup_to(Thread& t, Call& call);
long do_readlink(Thread& t, Call& call);
long do_open(Thread& t, Call& call);  // and openat

// The path at this address is /proc/self/exe, by either name.
bool names_own_executable(uint64_t path);
long do_kernel_copy(Thread& t, Call& call);  // sendfile, splice and their kind

// Moves a descriptor to kFirstDescriptor or above, close-on-exec, and returns it; where the limit
// does not allow that, the same descriptor.
long move_high(long fd);

}  // namespace reprise::stage
