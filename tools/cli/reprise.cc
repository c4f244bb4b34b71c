// The `reprise` command: parses, dispatches, and turns usage errors into one line and status 64.
//
// Everything after the first `--` is the program's and never parsed here. Without `--`, the program
// starts at the first word that is not an option. All of CLI11 is here, because it is slow to compile.
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "runtime/seam/catalog.h"
#include "tools/cli/command.h"

namespace reprise::cli {
namespace {

using Action = std::function<int(const Program&)>;  // what the parsed subcommand does

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

CLI::App* subcommand(CLI::App& app, const char* name, const char* what, const char* examples) {
  CLI::App* sub = app.add_subcommand(name, what);
  sub->footer(std::string("Examples:\n") + examples);
  return sub;
}

void add_status_file(CLI::App& sub, std::string& to) {
  sub.add_option("--status-file", to,
                 "Write one line here that says how it ended, whatever the exit status");
}

void add_watchdog(CLI::App& sub, double& seconds) {
  sub.add_option("--watchdog", seconds,
                 "End the run if a thread computes for this many seconds while others could run and\n"
                 "never gives way; 0: never")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

// What run and record share; the policies in --help come from the catalog.
void add_run_options(CLI::App& sub, RunOptions& options) {
  std::string policies = "Who goes next, or the path of a shared object with a policy of yours.";
  for (const seam::CatalogEntry& entry : seam::catalog()) {
    policies += fmt::format("\n{}: {}", entry.name, entry.summary);
  }
  sub.add_option("--policy", options.policy, policies)->capture_default_str();
  sub.add_option("--seed", options.seed, "Seed of the policy's choices (default: a random one)");
  sub.add_flag("--hash-memory", options.hash_memory,
               "Hash all writable memory of the program at its end");
  sub.add_flag("--strict-clock", options.strict_clock,
               "Record every rdtsc, however often the program reads clocks (slower clocks)");
  sub.add_flag("--strict", options.strict,
               "Record every rdtsc and cpuid, and tell the program that this CPU has no rdrand, rdseed,\n"
               "rdpid and transactions, whose results could not be replayed (slower start)");
  sub.add_option("--slice-us", options.slice_us,
                 "Counted code under a policy that preempts by time (fair): microseconds after which\n"
                 "a goroutine that computes gives way to others")
      ->check(CLI::Range(20, 1'000'000'000))
      ->capture_default_str();
  add_watchdog(sub, options.watchdog_s);
  add_status_file(sub, options.status_file);
  sub.add_flag("--verbose", options.verbose, "Let the stage say what it does");
  sub.prefix_command();
}

void add_run(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "run", "Run a program under control, unrecorded",
      "  reprise run -- ./server --port 7399\n"
      "  reprise run --policy random --seed 7 -- ./test     the same schedule whenever inputs are alike\n");
  auto options = std::make_shared<RunOptions>();
  add_run_options(*sub, *options);
  sub->callback([=] { *action = [=](const Program& program) { return run(*options, program); }; });
}

void add_record(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "record", "Run a program and keep a trace that replays it",
      "  reprise record -o bug.rpz -- ./server --port 7399\n"
      "  reprise record --policy random --until-failure 1000 -- ./test\n"
      "      runs with seed, seed+1, ... until the program fails, and keeps only that trace\n"
      "  reprise record --redact-env API_TOKEN -- ./client\n"
      "      a trace holds the environment and all that the program reads: mind where you send it\n");
  auto options = std::make_shared<RecordOptions>();
  sub->add_option("-o,--output", options->output, "The trace (default: PROGRAM.rpz, never replacing one)");
  sub->add_option("--until-failure", options->until_failure,
                  "Run up to N times, until the program fails; keep only the failing run's trace");
  sub->add_option("--redact-env", options->redact,
                  "Keep the value of this environment variable out of the trace; may be repeated")
      ->expected(1)
      ->take_all();
  add_run_options(*sub, *options);
  sub->callback([=] { *action = [=](const Program& program) { return record(*options, program); }; });
}

void add_replay(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "replay", "Repeat a recorded run from its trace alone",
      "  reprise replay bug.rpz                 same output, same end; opens no file and no socket\n"
      "  reprise replay bug.rpz --times 20      the output once, then each run's fingerprint\n"
      "  reprise replay bug.rpz --until 1000    stop at event 1000 and say where every goroutine is\n"
      "  reprise replay bug.rpz --gdb           stop before the first instruction, with symbols\n");
  auto options = std::make_shared<ReplayOptions>();
  sub->add_option("trace", options->path, "The trace")->required();
  sub->add_option("--times", options->times, "Replay N times, and stop at the first difference")
      ->check(CLI::Range(1, 1'000'000'000));
  sub->add_option("--until", options->until, "Stop before this event");
  sub->add_flag("--gdb", options->gdb, "Run under gdb");
  sub->add_flag("--force", options->force, "Replay though the executable or a library is another one");
  sub->add_flag("--hash-memory", options->hash_memory, "Hash and compare all writable memory at the end");
  add_watchdog(*sub, options->watchdog_s);
  add_status_file(*sub, options->status_file);
  sub->add_flag("--verbose", options->verbose, "Let the stage say what it does");
  sub->callback([=] { *action = [=](const Program&) { return replay(*options); }; });
}

void add_show(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "show", "Print what a trace holds",
      "  reprise show bug.rpz\n"
      "  reprise show bug.rpz --json | jq .decision_kinds\n");
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  sub->add_option("trace", *path, "The trace")->required();
  sub->add_flag("--json", *json, "As JSON");
  sub->callback([=] { *action = [=](const Program&) { return show(*path, *json); }; });
}

void add_pack(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "pack", "Copy executable, loader and libraries beside a trace",
      "  reprise pack bug.rpz                   makes bug.rpz.pack/, which replay then uses\n"
      "  tar c bug.rpz bug.rpz.pack | ssh other tar x\n");
  auto path = std::make_shared<std::string>();
  auto into = std::make_shared<std::string>();
  sub->add_option("trace", *path, "The trace")->required();
  sub->add_option("-o,--output", *into, "Directory to make (default: TRACE.pack)");
  sub->callback([=] { *action = [=](const Program&) { return pack(*path, *into); }; });
}

void add_doctor(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "doctor", "Say what this machine supports, and what is missing",
      "  reprise doctor     exits 1 if something that Reprise needs is missing\n");
  sub->callback([=] { *action = [](const Program&) { return doctor(); }; });
}

bool known(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == name) return true;
  }
  return false;
}

// The first word that is no option must be a subcommand; CLI11 does not name one it does not know.
const std::string* unknown_subcommand(const CLI::App& app, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word.starts_with("-")) continue;
    return known(app, word) ? nullptr : &word;
  }
  return nullptr;
}

int usage(const std::string& text) {
  fmt::print(stderr, "reprise: {} (try reprise --help)\n", text);
  return kUsage;
}

int parse_and_act(std::vector<std::string> ours, Program program) {
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
  if (auto* word = unknown_subcommand(app, ours)) return usage("no subcommand '" + *word + "'");
  try {
    std::reverse(ours.begin(), ours.end());  // the order that CLI11 wants
    app.parse(ours);
  } catch (const CLI::ParseError& e) {
    return e.get_exit_code() == 0 ? app.exit(e) : usage(e.what());
  }
  if (program.empty()) program = app.get_subcommands().front()->remaining();
  return action(program);
}

}  // namespace
}  // namespace reprise::cli

int main(int argc, char** argv) {
  // Chunk after chunk needs the same few megabytes: keep them, rather than fault them in each time.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
  std::vector<std::string> ours(argv + 1, argv + argc), program;
  auto split = std::find(ours.begin(), ours.end(), "--");
  if (split != ours.end()) {
    program.assign(split + 1, ours.end());
    ours.erase(split, ours.end());
  }
  return reprise::cli::parse_and_act(std::move(ours), std::move(program));
}
