// The `reprise` command: parses, dispatches, and turns usage errors into one line and status 64.
//
// Everything after the first `--` is the program's and never parsed here. Without `--`, the program
// starts at the first word that is not an option.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/cli/command.h"

namespace {

constexpr const char* kAbout =
    "Reprise records a run of a program so that it can be repeated, bit for bit.\n"
    "\n"
    "  reprise record -o bug.rpz -- ./server --port 7399     record a run\n"
    "  reprise replay bug.rpz                                repeat it, as often as needed\n"
    "  reprise replay bug.rpz --gdb                          repeat it under gdb\n"
    "  reprise show bug.rpz                                  what was recorded\n"
    "\n"
    "run, record and replay end as the program ended. Reprise's own statuses: 64 usage, 65 bad\n"
    "trace, 70 divergence, 74 trace incomplete.\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace reprise::cli;
  std::vector<std::string> ours(argv + 1, argv + argc);
  Program program;
  auto split = std::find(ours.begin(), ours.end(), "--");
  if (split != ours.end()) {
    program.assign(split + 1, ours.end());
    ours.erase(split, ours.end());
  }
  CLI::App app{kAbout, "reprise"};
  app.set_version_flag("--version", REPRISE_VERSION);
  app.require_subcommand(1);
  Action action;
  add_run(app, &action);
  add_record(app, &action);
  add_replay(app, &action);
  add_show(app, &action);
  add_pack(app, &action);
  add_doctor(app, &action);
  std::vector<std::string> reversed(ours.rbegin(), ours.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::fprintf(stderr, "reprise: %s (try reprise --help)\n", e.what());
    return kUsage;
  }
  if (program.empty()) {
    program = app.get_subcommands().front()->remaining();
  }
  return action(program);
}
