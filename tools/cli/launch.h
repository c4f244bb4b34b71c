// Everything between a command line and a running stage: which file is meant, whether it can be
// recorded, what the trace's header says, and how the stage is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/scribe.h"
#include "replay/trace_types.h"
#include "tools/cli/command.h"

namespace reprise::cli {

// A program that can be started under the stage.
struct Target {
  std::string path;                // absolute, links resolved
  std::vector<std::string> argv;   // what the stage is given: path as found, and arguments
  bool links_reprise = false;
  bool counted = false;            // the executable itself has counted code
};

// Finds `program` as a shell would, follows a #! line, and refuses what the stage cannot load
// (missing, not executable, not a 64-bit x86 ELF file, set-user-id). False and *why.
bool resolve(const std::vector<std::string>& program, Target& out, std::string* why);

// Whether this process itself runs under a stage, or below a recorded one.
bool nested();

// The file of this executable.
std::string own_path();

// The stage executable beside this one or in ../libexec/reprise. Empty and *why if there is none.
std::string find_stage(std::string* why);

// `bit` if `wanted`, for Control.options.
constexpr uint32_t option(tape::Option bit, bool wanted) { return wanted ? uint32_t{bit} : 0u; }

constexpr uint64_t nanoseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

std::vector<std::string> environment();
uint64_t random_seed();

// `control_options`: those that set_control() chose.
trace::Header header_for(const Target& target, const RunOptions& options, uint32_t control_options,
                         uint64_t seed, const std::vector<std::string>& redacted);

// Whether the simulated world can be had for this program, and the options make sense. False and *why.
bool check_world(const WorldOptions& options, const Target& target, std::string* why);

// What Control.options says of the world. REQUIRES: check_world() said yes.
uint32_t world_control(const WorldOptions& options);

// Fills policy, seed, mode and options of a fresh tape. False and *why if the policy is unknown.
bool set_control(tape::Control& control, tape::Mode mode, const RunOptions& options, uint64_t seed,
                 std::string* why);

// The stage's command line. `program` is empty for a replay.
std::vector<std::string> stage_argv(const std::string& stage, const trace::TapeFile& tape,
                                    int report_fd, const std::vector<std::string>& program);

}  // namespace reprise::cli
