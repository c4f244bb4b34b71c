// Names of record kinds: system calls, decisions, the tape's own.
#pragma once

#include <cstdint>
#include <string>

namespace reprise::trace {

// "read", "select", "(clock)", "syscall 999".
std::string kind_name(uint16_t kind);

}  // namespace reprise::trace
