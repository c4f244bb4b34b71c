// The goroutines of a program that the stage has halted, as the runtime's own reports print them.
//
// Reads the program's memory from outside (process_vm_readv, which a parent may), so nothing of the
// program runs and nothing in it changes.
#pragma once

#include <sys/types.h>

#include <string>

#include "runtime/seam/tape.h"

namespace reprise::cli {

enum class Which { all, running };

// The text: `running` is the goroutine that the halt found running, if any. A program that does not
// link Reprise, or whose memory may not be read, gives none.
std::string goroutine_report(pid_t pid, const tape::Control& control, Which which);

}  // namespace reprise::cli
