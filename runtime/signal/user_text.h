// Which instructions are the program's own: where a goroutine may be switched out between any two.
//
// Thread safety: user_text_init() once, at boot; in_user_text() any thread, in signal handlers.
#pragma once

#include <cstdint>

namespace reprise::rt {

// False: it cannot be told, and no address is user text.
bool user_text_init();
// Code of the executable that is not the runtime's.
bool in_user_text(uint64_t pc);

}  // namespace reprise::rt
