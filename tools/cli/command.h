// The subcommands of `reprise`. Each add_x() declares its options and examples and, when parsed,
// leaves in *action what to do; main runs it. Statuses are those of DESIGN: a program's own, or one of
// Status.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace reprise::cli {

enum Status : int {
  kOk = 0,
  kUsage = 64,       // nothing was started
  kBadTrace = 65,    // the trace cannot be read, or belongs to other binaries
  kDiverged = 70,    // replay differed from the recording, or Reprise could not follow the program
  kIncomplete = 74,  // the trace lacks the end of the run
};

// What comes after `--`, or after the last option.
using Program = std::vector<std::string>;
using Action = std::function<int(const Program& program)>;

void add_run(CLI::App& app, Action* action);
void add_record(CLI::App& app, Action* action);
void add_replay(CLI::App& app, Action* action);
void add_show(CLI::App& app, Action* action);
void add_pack(CLI::App& app, Action* action);
void add_doctor(CLI::App& app, Action* action);

}  // namespace reprise::cli
