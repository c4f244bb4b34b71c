// `replay --gdb`: gdb around the stage.
#pragma once

#include <string>
#include <vector>

#include "replay/trace_reader.h"

namespace reprise::cli {

// The command line that runs `stage_argv` under gdb, stopped before the program's first instruction
// with the symbols of the recorded executable.
std::vector<std::string> gdb_argv(const std::vector<std::string>& stage_argv,
                                  const trace::TraceReader& reader, const std::string& pack_root);

}  // namespace reprise::cli
