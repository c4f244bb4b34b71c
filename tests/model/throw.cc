// The runtime's fatal error and panic, in explored sources: the execution fails with their text.
#include <string>

#include "runtime/sched/proc.h"
#include "tests/model/explorer.h"

namespace reprise::rt {

void throw_(std::string_view message) { model::fail("fatal error: " + std::string(message)); }

void gopanic(std::string_view message) { model::fail("panic: " + std::string(message)); }

}  // namespace reprise::rt
