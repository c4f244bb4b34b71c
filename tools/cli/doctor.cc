// `reprise doctor`: what this machine supports, each line tried and not guessed.
//
// What is needed and missing makes it end with 1; what is liked and missing costs what its line says.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"
#include "tools/cli/probes.h"

namespace reprise::cli {
namespace {

class Report {
 public:
  void line(const std::string& name, bool ok, const std::string& detail) {
    fmt::print("{:<8} {:<24} {}\n", ok ? "ok" : "missing", name, detail);
  }
  void need(const std::string& name, int failed, const std::string& good, const std::string& lost) {
    if (failed) healthy_ = false;
    trial(name, failed, good, lost);
  }
  void like(const std::string& name, int failed, const std::string& good, const std::string& lost) {
    trial(name, failed, good, lost);
  }
  bool healthy() const { return healthy_; }

 private:
  void trial(const std::string& name, int failed, const std::string& good, const std::string& lost) {
    line(name, failed == 0, failed ? lost + " (" + std::strerror(failed) + ")" : good);
  }
  bool healthy_ = true;
};

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void disk(Report& report) {
  struct statvfs fs {};
  if (statvfs(".", &fs) != 0) return report.need("disk", errno, "", "cannot look at this directory");
  uint64_t free_mib = fs.f_bavail * fs.f_frsize >> 20;
  bool enough = free_mib >= 64;
  report.line("disk", enough, fmt::format("{} MiB free in this directory{}", grouped(free_mib),
                                          enough ? "" : ": a tape alone takes 16"));
}

void seccomp(Report& report) {
  std::ifstream status("/proc/self/status");
  std::string mode = "0";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Seccomp:")) mode = line.substr(line.find_first_not_of(" \t", 8));
  }
  report.line("seccomp", true, mode == "2" ? "a filter is installed here; Reprise needs no call that Docker's default denies"
                                            : "no filter is installed here");
}

}  // namespace

namespace {

void kernel_needs(Report& report) {
  report.need("syscall user dispatch", failure_of(try_dispatch),
              "system calls of a program can be trapped in the program itself",
              "run, record and replay cannot work; Linux 5.11 with CONFIG_GENERIC_ENTRY has it");
  report.need("fixed addresses", failure_of(try_addresses), "the stage's and the runtime's places are free",
              "something lies where the runtime must; a sanitizer or a limit on address space?");
  report.need("pidfd", failure_of(try_pidfd), "the end of a program is seen at once", "Linux 5.3 has it");
  report.need("memfd", failure_of(try_memfd), "replays need no file for their tape", "replay cannot work");
  report.need("signal frames", failure_of(try_signal_stack),
              fmt::format("vector state of {} bytes fits the stage", grouped(xsave_bytes())),
              fmt::format("this processor's {} bytes of vector state do not fit the stage", grouped(xsave_bytes())));
}

void instructions(Report& report) {
  report.like("rdtsc trap", failure_of(try_tsc), "rdtsc is recorded",
              "a program that reads the time-stamp counter may diverge");
  report.like("cpuid faulting", failure_of(try_cpuid), "--strict records cpuid, and hides rdrand from programs",
              "--strict cannot record cpuid nor hide rdrand: a replay wants a CPU with the same features, and a "
              "program that uses rdrand by itself may diverge");
}

void conveniences(Report& report) {
  report.like("MADV_GUARD_INSTALL", failure_of(try_guard), "stack guards cost no mapping",
              "guards use mprotect, up to vm.max_map_count; Linux 6.13 has it");
  report.like("timer_create", failure_of(try_timer), "time slices of counted code can be timed",
              "counted code is preempted by ticks only");
  report.like("hardware breakpoints", failure_of(try_breakpoint), "perf_event_open gives them",
              "not needed: a replay plants one-byte traps instead");
  report.like("ptrace", failure_of(try_ptrace), "a debugger may follow a program", "replay --gdb cannot work");
  report.like("gdb", access("/usr/bin/gdb", X_OK) == 0 ? 0 : ENOENT, "replay --gdb works",
              "replay --gdb needs it");
}

void limits(Report& report) {
  constexpr rlim_t kStageDescriptors = 910;  // the stage's own lie from 900 up
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  report.need("descriptor limit", files.rlim_max >= kStageDescriptors ? 0 : EMFILE,
              fmt::format("{} (hard {})", files.rlim_cur, files.rlim_max),
              fmt::format("hard limit {}: the stage keeps its descriptors from 900 up; ulimit -n", files.rlim_max));
  constexpr uint64_t kFewMaps = 65530;  // the kernel's default
  const std::string maps = first_line("/proc/sys/vm/max_map_count");
  const uint64_t count = maps.empty() ? 0 : std::stoull(maps);
  report.line("map count", count >= kFewMaps,
              count >= kFewMaps ? fmt::format("vm.max_map_count is {}", count)
                                : fmt::format("vm.max_map_count is {}: stacks beyond {} have no guard but a canary, "
                                              "unless MADV_GUARD_INSTALL is there", count, count / 4));
  rlimit pending{};
  getrlimit(RLIMIT_SIGPENDING, &pending);
  report.line("queued signals", pending.rlim_cur >= 64,
              fmt::format("{} real-time signals may wait", pending.rlim_cur));
}

}  // namespace

int doctor() {
  Report report;
  std::string why;
  std::string stage = find_stage(&why);
  report.need("stage", stage.empty() ? ENOENT : 0, stage, why);
  kernel_needs(report);
  instructions(report);
  conveniences(report);
  seccomp(report);
  report.line("perf counters", true, "not needed (perf_event_paranoid is " +
              first_line("/proc/sys/kernel/perf_event_paranoid") + ")");
  limits(report);
  disk(report);
  return report.healthy() ? kOk : 1;
}

}  // namespace reprise::cli
