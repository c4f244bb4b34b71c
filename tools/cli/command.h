// The subcommands of `reprise`: their options, and what they do. reprise.cc parses; each of these returns
// the exit status: the program's own, or one of Status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reprise::cli {

enum Status : int {
  kOk = 0,
  kFound = 1,        // fuzz: a failure
  kUsage = 64,       // nothing was started
  kBadTrace = 65,    // the trace cannot be read, or belongs to other binaries
  kDiverged = 70,    // replay differed from the recording, or Reprise could not follow the program
  kIncomplete = 74,  // the trace lacks the end of the run, or standard output cannot be written
};

inline constexpr double kWatchdogSeconds = 10;
inline constexpr uint64_t kSliceMicroseconds = 10'000;  // the reference's

// What comes after `--`, or after the last option.
using Program = std::vector<std::string>;

struct WorldOptions {
  std::string world = "real";    // or "simulated"
  std::string faults = "none";   // of the simulated one
  double fault_rate = 0.02;
};

struct RunOptions : WorldOptions {
  std::string policy = "fair";
  std::optional<uint64_t> seed;  // nothing: a random one
  bool hash_memory = false;
  bool strict_clock = false;
  bool strict = false;
  double watchdog_s = kWatchdogSeconds;
  uint64_t slice_us = kSliceMicroseconds;
  bool verbose = false;
  std::string status_file;
};

struct RecordOptions : RunOptions {
  std::string output;            // empty: PROGRAM.rpz
  uint64_t until_failure = 0;    // 0: one run, kept whatever happens
  std::vector<std::string> redact;
};

struct ReplayOptions {
  std::string path;
  uint64_t times = 1;
  std::optional<uint64_t> until;
  bool gdb = false;
  bool force = false;
  double watchdog_s = kWatchdogSeconds;
  bool hash_memory = false;
  bool verbose = false;
  std::string status_file;
};

struct FuzzOptions : WorldOptions {
  std::string policy = "portfolio";
  std::optional<uint64_t> seed;  // nothing: a random one
  uint64_t schedules = 0;        // of all shards together; 0: no limit, or 10,000 if there is none of time
  double seconds = 0;            // 0: no limit
  unsigned jobs = 0;             // 0: one a processor
  std::string shard;             // I/N
  std::string failures = "reprise-failures";
  std::string corpus;            // empty: none
  std::string junit;             // empty: none
  std::vector<std::string> fail_when;
  double timeout_s = 10;
  uint64_t max_steps = 1'000'000;
  double until_chance = 0;
  uint64_t stop_after = 1;       // different failures; 0: never
  uint64_t tape_mib = 16;        // a power of two
};

// What shrink, explain and verify share: how runs are made again.
struct AgainOptions {
  std::string path;
  unsigned jobs = 0;             // at a time; 0: one a processor
  double limit_s = 0;            // of one run; 0: from the recorded duration
  double watchdog_s = kWatchdogSeconds;
  bool anew = false;             // each run is started anew
};

struct ShrinkCommand : AgainOptions {
  std::string output;            // empty: NAME.min.rpz
  double time_s = 60;
};

struct ExplainCommand : AgainOptions {
  double time_s = 30;
  size_t rows = 60;              // of the interleaving, at most; 0: all
  bool json = false;
};

struct VerifyCommand : AgainOptions {
  uint64_t times = 3;
};

int run(const RunOptions& options, const Program& program);
int record(const RecordOptions& options, const Program& program);
int replay(const ReplayOptions& options);
int fuzz(const FuzzOptions& options, const Program& program);
int show(const std::string& path, bool json);
int pack(const std::string& path, std::string into);
int doctor();
int shrink(const ShrinkCommand& options);
int explain(const ExplainCommand& options);
int verify(const VerifyCommand& options);

}  // namespace reprise::cli
