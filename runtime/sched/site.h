// Where the program asked for what a goroutine does: the site of an operation, a wait or a start.
//
// The runtime has a text section of its own (signal/user_text.h), so the place is the innermost return
// address outside it. Most are found by the frame pointers that all of the runtime keeps: two loads
// a frame. Where a shared library is in between (std::thread::join calls pthread_join, which is ours) the
// chain says nothing, since libraries keep no frame pointers: the unwinder finds it, in some microseconds.
//
// Thread safety: any thread, on the stack that `frame` lies on; takes no lock and allocates nothing.
#pragma once

#include "runtime/seam/decision.h"

namespace reprise::rt {

// The address of a site in this process; 0 for 0.
uint64_t pc_of(seam::Site site);

// The place in the executable's own text from which the function with this frame address was called, directly
// or through functions of the runtime's; 0 if there is none. Without a section of the runtime's (sanitized
// builds) the function's caller.
seam::Site program_site(const void* frame);

}  // namespace reprise::rt

// The site from which the function that says so was called.
#define REPRISE_PROGRAM_SITE() ::reprise::rt::program_site(__builtin_frame_address(0))
