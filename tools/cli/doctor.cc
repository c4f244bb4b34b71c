// `reprise doctor`: what this machine supports, each line tried and not guessed.
//
// Trials that change the process run in a forked child.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

#include "runtime/seam/tape.h"
#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"

namespace reprise::cli {
namespace {

constexpr int kSetSyscallUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr int kGuardInstall = 102;           // MADV_GUARD_INSTALL
constexpr int kArchCpuid = 0x1012;           // ARCH_SET_CPUID

// Whether `trial` returns 0 in a child of its own; else its errno-like number.
int in_child(const std::function<int()>& trial) {
  pid_t pid = fork();
  if (pid < 0) return errno;
  if (pid == 0) _exit(trial());
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

int try_dispatch() {
  static volatile char selector = 0;  // SYSCALL_DISPATCH_FILTER_ALLOW
  return prctl(kSetSyscallUserDispatch, 1, 0, 0, &selector) == 0 ? 0 : errno;
}

int try_tsc() { return prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0 ? 0 : errno; }
int try_cpuid() { return syscall(SYS_arch_prctl, kArchCpuid, 0) == 0 ? 0 : errno; }

int try_guard() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  return madvise(page, 4096, kGuardInstall) == 0 ? 0 : errno;
}

int try_addresses() {
  for (uint64_t at : {tape::kStageBase, tape::kTapeBase, tape::kThreadBase, tape::kRuntimeArena,
                      tape::kProgramArena, tape::kStackArena}) {
    void* p = mmap(reinterpret_cast<void*>(at), 1 << 20, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != reinterpret_cast<void*>(at)) return errno ? errno : EEXIST;
  }
  return 0;
}

int try_pidfd() { return syscall(SYS_pidfd_open, getpid(), 0) >= 0 ? 0 : errno; }
int try_memfd() { return memfd_create("reprise-doctor", MFD_CLOEXEC) >= 0 ? 0 : errno; }

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

int doctor() {
  Report report;
  std::string why;
  std::string stage = find_stage(&why);
  report.need("stage", stage.empty() ? ENOENT : 0, stage, why);
  report.need("syscall user dispatch", in_child(try_dispatch),
              "system calls of a program can be trapped in the program itself",
              "run, record and replay cannot work; Linux 5.11 with CONFIG_GENERIC_ENTRY has it");
  report.need("fixed addresses", in_child(try_addresses), "the stage's and the runtime's places are free",
              "something lies where the runtime must; a sanitizer or a limit on address space?");
  report.need("pidfd", in_child(try_pidfd), "the end of a program is seen at once", "Linux 5.3 has it");
  report.need("memfd", in_child(try_memfd), "replays need no file for their tape", "replay cannot work");
  report.like("rdtsc trap", in_child(try_tsc), "rdtsc is recorded",
              "a program that reads the time-stamp counter may diverge");
  report.like("cpuid faulting", in_child(try_cpuid), "cpuid can be recorded",
              "not needed: replays must run on a CPU with the same features, and are refused otherwise");
  report.like("MADV_GUARD_INSTALL", in_child(try_guard), "stack guards cost no mapping",
              "guards use mprotect, up to vm.max_map_count; Linux 6.13 has it");
  seccomp(report);
  report.line("perf counters", true, "not needed (perf_event_paranoid is " +
              first_line("/proc/sys/kernel/perf_event_paranoid") + ")");
  disk(report);
  report.like("gdb", access("/usr/bin/gdb", X_OK) == 0 ? 0 : ENOENT, "replay --gdb works",
              "replay --gdb needs it");
  return report.healthy() ? kOk : 1;
}

}  // namespace reprise::cli
