// errno that may be read after a wait.
//
// libc declares the function behind errno const, so a compiler may keep its address across any call; a goroutine that has
// waited may be on another thread, whose errno has another address. (Its value goes along.) Where this header is included,
// and go.h includes it, errno is found anew at each use. The cost is that of libc's: one call.
//
// C code and units that do not include it: read errno in the function that made the call, before anything that waits, or
// lock_os_thread().
#pragma once

#include <cerrno>

namespace reprise::detail {

int* errno_here() noexcept;  // of the calling thread; safe in signal handlers

}  // namespace reprise::detail

#undef errno
#define errno (*::reprise::detail::errno_here())
