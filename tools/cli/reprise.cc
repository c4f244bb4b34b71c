// The `reprise` command: parses, dispatches, and turns usage errors into one line and status 64.
//
// Everything after the first `--` is the program's and never parsed here. Without `--`, the program
// starts at the first word that is not an option. All of CLI11 is here, because it is slow to compile.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
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
    "  reprise fuzz -- ./test                                find a schedule that fails\n"
    "\n"
    "run, record and replay end as the program ended. Reprise's own statuses: 64 usage, or nothing could\n"
    "be started; 65 bad trace; 70 divergence, or the program cannot be followed; 74 trace incomplete, or\n"
    "standard output cannot be written; 130 record --until-failure or replay --times interrupted. fuzz,\n"
    "verify, shrink, explain and doctor end with 1 for what their --help says.\n";

// CLI11 takes "-1" for the largest whole number, and an empty word for 0.
const CLI::Validator kWhole(
    [](std::string& word) {
      uint64_t value = 0;
      const char* end = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data(), end, value);
      const bool good = error == std::errc() && stop == end;
      return good ? std::string() : fmt::format("'{}' is not a whole number from 0 to 2^64-1", word);
    },
    "");

// As CLI::Range, which lets NaN pass.
CLI::Validator within(double low, double high) {
  return CLI::Validator(
      [=](std::string& word) {
        double value = 0;
        const bool good = CLI::detail::lexical_cast(word, value) && value >= low && value <= high;
        return good ? std::string() : fmt::format("'{}' is not a number from {:g} to {:g}", word, low, high);
      },
      fmt::format("in [{:g} - {:g}]", low, high));
}

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
      ->check(within(0.0, 1e6))
      ->capture_default_str();
}

void add_world_options(CLI::App& sub, WorldOptions& options) {
  sub.add_option("--world", options.world,
                 "real, or simulated: the program's network, pipes and files are its own, its time is virtual,\n"
                 "and what goes wrong in them is the policy's choice")
      ->capture_default_str();
  sub.add_option("--faults", options.faults, "What may go wrong in a simulated world: none, all, or some of net,partition,file")
      ->capture_default_str();
  sub.add_option("--fault-rate", options.fault_rate, "How often a fault happens where one could")
      ->check(within(0.0, 1.0))
      ->capture_default_str();
}

// What run and record share; the policies in --help come from the catalog.
void add_run_options(CLI::App& sub, RunOptions& options) {
  std::string policies = "Who goes next, or the path of a shared object with a policy of yours.";
  for (const seam::CatalogEntry& entry : seam::catalog()) {
    policies += fmt::format("\n{}: {}", entry.name, entry.summary);
  }
  sub.add_option("--policy", options.policy, policies)->capture_default_str();
  sub.add_option("--seed", options.seed, "Seed of the policy's choices (default: a random one)")->check(kWhole);
  add_world_options(sub, options);
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
                  "Run up to N times, until the program fails; keep only the failing run's trace")->check(kWhole);
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
  sub->add_option("--until", options->until, "Stop before this event")->check(kWhole);
  sub->add_flag("--gdb", options->gdb, "Run under gdb");
  sub->add_flag("--force", options->force, "Replay though the executable or a library is another one");
  sub->add_flag("--hash-memory", options->hash_memory, "Hash and compare all writable memory at the end");
  add_watchdog(*sub, options->watchdog_s);
  add_status_file(*sub, options->status_file);
  sub->add_flag("--verbose", options->verbose, "Let the stage say what it does");
  sub->callback([=] { *action = [=](const Program&) { return replay(*options); }; });
}

void add_limits(CLI::App& sub, FuzzOptions& o) {
  sub.add_option("--schedules", o.schedules,
                 "End after so many schedules, of all shards together (default: 10,000, or no limit with --time)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 62));
  sub.add_option("--time", o.seconds, "End after so long: 30s, 5m, 2h")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3600}}))
      ->check(within(0.001, 1e9).description(""));
  sub.add_option("--until-chance", o.until_chance,
                 "End when the chance that the next schedule shows something new is below this, as far as\n"
                 "the schedules so far tell (Good and Turing's estimate)")
      ->check(within(0.0, 1.0));
  sub.add_option("--stop-after", o.stop_after, "End after so many different failures; 0: never")
      ->check(kWhole)
      ->capture_default_str();
}

void add_failures(CLI::App& sub, FuzzOptions& o) {
  sub.add_option("--fail-when", o.fail_when,
                 "What counts as a failure, may be repeated: exit (a status that is not 0; panics, fatal errors\n"
                 "and deadlocks have one), signal (killed by one), leak (main returns while goroutines\n"
                 "wait and nothing is left that could wake anybody), leak=any (also those whom nothing of what is left,\n"
                 "as a ticker's goroutine, can wake), race (a data race in checked code), output=REGEX (stdout or stderr\n"
                 "match). Default: exit, signal, leak, race.\n"
                 "A run that hangs or livelocks always fails")
      ->expected(1)
      ->take_all();
  sub.add_option("--timeout", o.timeout_s,
                 "Seconds for one schedule; then it is a hang, and the trace tells where everybody was; 0: none")
      ->check(within(0.0, 1e6))
      ->capture_default_str();
  sub.add_option("--max-steps", o.max_steps,
                 "More steps than this are a livelock. The second half of them is scheduled fairly")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 62))
      ->capture_default_str();
  sub.add_option("--junit", o.junit, "Write the result here as JUnit XML");
  sub.add_option("--failures", o.failures, "The folder of the traces")->capture_default_str();
  sub.add_option("--tape-mib", o.tape_mib, "Room for a run's recording, a power of two; a longer run leaves no trace")
      ->check(CLI::IsMember(std::vector<uint64_t>{4, 8, 16, 32, 64, 128, 256, 512, 1024}))
      ->capture_default_str();
}

void add_fuzz(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "fuzz", "Run a program under many schedules until one fails",
      "  reprise fuzz -- ./test                          10,000 schedules, or the first failure\n"
      "  reprise fuzz --time 5m -- ./test                for five minutes\n"
      "  reprise fuzz --shard 2/8 --seed 1 --schedules 80000 -- ./test    the second of eight machines\n"
      "  reprise fuzz --world simulated --faults net -- ./server_and_clients\n"
      "      on a network of the program's own, whose delays and failures are a part of the schedule\n"
      "  reprise fuzz --fail-when output=LOST -- ./server --selftest\n"
      "      every failure leaves a trace: reprise replay, explain and shrink go on from there\n"
      "\n"
      "The program is loaded and booted once and forked for each schedule: its stdin is empty, and files\n"
      "that it writes are seen by the schedules after. A failure is replayed before it is reported.\n"
      "Exit status: 0 no failure, 1 found, 64 not started, 70 it could not go on.\n");
  auto options = std::make_shared<FuzzOptions>();
  std::string policies = "Who goes next, or the path of a shared object with a policy of yours.";
  for (const seam::CatalogEntry& entry : seam::catalog()) policies += fmt::format("\n{}: {}", entry.name, entry.summary);
  sub->add_option("--policy", options->policy, policies)->capture_default_str();
  sub->add_option("--seed", options->seed, "Schedules follow from it (default: a random one, which is printed)")->check(kWhole);
  add_world_options(*sub, *options);
  sub->add_option("--jobs", options->jobs, "So many at a time (default: one a processor)")->check(CLI::Range(1, 1024));
  sub->add_option("--shard", options->shard,
                  "I/N: only the I-th of N shares of the schedules. Shares do not overlap, and together they\n"
                  "are the schedules of one campaign with this seed");
  sub->add_option("--corpus", options->corpus,
                  "A directory of schedules: what it holds is run first, and varied; what fails or behaves anew is\n"
                  "added. Copy files to merge two; campaigns may share one");
  add_limits(*sub, *options);
  add_failures(*sub, *options);
  sub->prefix_command();
  sub->callback([=] { *action = [=](const Program& program) { return fuzz(*options, program); }; });
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

void add_again_options(CLI::App& sub, AgainOptions& options) {
  sub.add_option("--limit", options.limit_s, "Seconds that one run may take (default: 10 and three times the recorded run's)")
      ->check(within(0.01, 1e6));
  add_watchdog(sub, options.watchdog_s);
}

void add_jobs(CLI::App& sub, AgainOptions& options) {
  sub.add_option("--jobs,-j", options.jobs, "Runs at a time (default: one a processor)")->check(CLI::Range(1, 64));
}

void add_anew(CLI::App& sub, AgainOptions& options) {
  sub.add_flag("--anew", options.anew, "Start the program for every run, instead of forking it where it has booted");
}

void add_shrink(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "shrink", "Make a trace of the same failure with as few preemptions as can be found",
      "  reprise shrink bug.rpz -o small.rpz     runs the program again and again, under fewer and fewer decisions\n"
      "      exits 0 with a trace; 1 if the trace does not fail, or its failure depends on the world outside\n");
  auto options = std::make_shared<ShrinkCommand>();
  sub->add_option("trace", options->path, "The trace of a failure")->required();
  sub->add_option("-o,--output", options->output, "The small trace (default: NAME.min.rpz)");
  sub->add_option("--time", options->time_s, "Seconds after which the best found so far is taken")
      ->check(within(0.0, 1e6))
      ->capture_default_str();
  add_jobs(*sub, *options);
  add_anew(*sub, *options);
  add_again_options(*sub, *options);
  sub->callback([=] { *action = [=](const Program&) { return shrink(*options); }; });
}

void add_explain(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "explain", "Say what went wrong in a trace",
      "  reprise explain bug.rpz     who did what in which order, the pair of operations whose order decides,\n"
      "                              and who waits for whom\n");
  auto options = std::make_shared<ExplainCommand>();
  sub->add_option("trace", options->path, "The trace of a failure")->required();
  sub->add_flag("--json", options->json, "As JSON");
  sub->add_option("--rows", options->rows, "Show the last N operations; 0: all")->check(kWhole)->capture_default_str();
  sub->add_option("--time", options->time_s, "Seconds for shrinking, and as many for the pair")
      ->check(within(0.0, 1e6))
      ->capture_default_str();
  add_jobs(*sub, *options);
  add_anew(*sub, *options);
  add_again_options(*sub, *options);
  sub->callback([=] { *action = [=](const Program&) { return explain(*options); }; });
}

void add_verify(CLI::App& app, Action* action) {
  CLI::App* sub = subcommand(app, "verify", "Replay traces, and say whether they still end as they did",
      "  reprise verify bug.rpz\n"
      "  reprise verify corpus/            every trace below; exits 1 if one does not replay\n");
  auto options = std::make_shared<VerifyCommand>();
  sub->add_option("trace", options->path, "The trace, or a directory of traces")->required();
  sub->add_option("--times", options->times, "Replays of each")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  add_again_options(*sub, *options);
  sub->callback([=] { *action = [=](const Program&) { return verify(*options); }; });
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

// The first word must be a subcommand; CLI11 does not name one it does not know.
const std::string* unknown_subcommand(const CLI::App& app, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "-h" || word == "--help" || word == "--version") continue;
    return known(app, word) ? nullptr : &word;
  }
  return nullptr;
}

int usage(const std::string& text, const std::string& subcommand = "") {
  fmt::print(stderr, "reprise: {} (try reprise {}--help)\n", text, subcommand.empty() ? "" : subcommand + " ");
  return kUsage;
}

// What CLI11 left over before the `--` of run, record and fuzz, where it minds nothing. Empty: all is well.
std::string stray(const std::vector<std::string>& left, bool separated) {
  if (left.empty()) return {};
  if (left[0].starts_with("-")) return "unknown option " + left[0];
  return separated ? "'" + left[0] + "' before --: the program comes after it" : "";
}

std::string chosen(const CLI::App& app) {
  const auto subs = app.get_subcommands();
  return subs.empty() ? std::string() : subs.front()->get_name();
}

int parse_and_act(std::vector<std::string> ours, Program program, bool separated) {
  CLI::App app{kAbout, "reprise"};
  app.set_version_flag("--version", REPRISE_VERSION);
  app.require_subcommand(1);
  Action action;
  add_run(app, &action);
  add_record(app, &action);
  add_replay(app, &action);
  add_fuzz(app, &action);
  add_show(app, &action);
  add_pack(app, &action);
  add_shrink(app, &action);
  add_explain(app, &action);
  add_verify(app, &action);
  add_doctor(app, &action);
  if (auto* word = unknown_subcommand(app, ours)) {
    return usage((word->starts_with("-") ? "unknown option '" : "no subcommand '") + *word + "'");
  }
  try {
    std::reverse(ours.begin(), ours.end());  // the order that CLI11 wants
    app.parse(ours);
  } catch (const CLI::ParseError& e) {
    return e.get_exit_code() == 0 ? app.exit(e) : usage(e.what(), chosen(app));
  }
  const std::vector<std::string> left = app.get_subcommands().front()->remaining();
  if (const std::string wrong = stray(left, separated); !wrong.empty()) return usage(wrong, chosen(app));
  if (!separated) program = left;
  return action(program);
}

}  // namespace
}  // namespace reprise::cli

namespace {

// A closed one would become the tape or the trace, and what is said would go there. The program does not inherit these.
void open_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) open("/dev/null", O_RDWR | O_CLOEXEC);
  }
}

// What was to be said must have been said.
int said_all(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  if (errno != EPIPE) fmt::print(stderr, "reprise: standard output: {}\n", std::strerror(errno));
  return status != 0 ? status : reprise::cli::kIncomplete;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  // Chunk after chunk needs the same few megabytes: keep them, rather than fault them in each time.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
  std::vector<std::string> ours(argv + 1, argv + argc), program;
  auto split = std::find(ours.begin(), ours.end(), "--");
  const bool separated = split != ours.end();
  if (separated) {
    program.assign(split + 1, ours.end());
    ours.erase(split, ours.end());
  }
  return said_all(reprise::cli::parse_and_act(std::move(ours), std::move(program), separated));
}
