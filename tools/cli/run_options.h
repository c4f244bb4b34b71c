// The options that run and record share.
#pragma once

#include <CLI/CLI.hpp>

#include "tools/cli/launch.h"

namespace reprise::cli {

void add_run_options(CLI::App& sub, RunOptions& options);

}  // namespace reprise::cli
