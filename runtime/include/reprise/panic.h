// panic: ends the program with a message and the goroutine's traceback, as the reference does.
//
// An unrecovered panic prints "panic: MESSAGE", the goroutine that panicked with its stack, and ends
// the process with status 2, without unwinding. recover() and DEFER are not there yet.
#pragma once

#include <string_view>

#include "runtime/sched/proc.h"

namespace reprise {

[[noreturn]] inline void panic(std::string_view message) { rt::gopanic(message); }

}  // namespace reprise
