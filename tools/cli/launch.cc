// Finding and vetting programs.
//
// Whatever can be refused is refused here, before anything starts: one line, status 64. The checks
// are those the kernel or the stage would make later with a poorer message.
#include "tools/cli/launch.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <libgen.h>
#include <linux/limits.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "replay/build_id.h"
#include "replay/redact.h"
#include "runtime/seam/catalog.h"
#include "runtime/seam/fault_set.h"
#include "runtime/stage/abi.h"
#include "tools/cli/elf_probe.h"
#include "tools/cli/outcome.h"
#include "tools/cli/probes.h"

namespace reprise::cli {
namespace {

// As execvp searches. Empty if nothing executable is there; *why says which way it failed.
std::string search(const std::string& name, std::string* why) {
  if (name.find('/') != std::string::npos) return name;
  const char* variable = getenv("PATH");
  std::istringstream dirs(variable ? variable : "/usr/local/bin:/usr/bin:/bin");
  for (std::string dir; std::getline(dirs, dir, ':');) {
    std::string candidate = (dir.empty() ? "." : dir) + "/" + name;
    struct stat st {};
    if (stat(candidate.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
        access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
  }
  *why = name + ": no such program in PATH";
  return {};
}

std::string absolute(const std::string& path) {
  if (path.starts_with("/")) return path;
  char cwd[PATH_MAX];
  return getcwd(cwd, sizeof cwd) ? std::string(cwd) + "/" + path : path;
}

// A replay loads a policy that is a shared object again, by the name that the recorded run had and wherever it is run.
std::string policy_anywhere(const std::string& policy) {
  return policy.find('/') != std::string::npos ? absolute(policy) : policy;
}

std::string real(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) ? resolved : path;
}

// Interpreter and its one optional argument of a #! line; empty if there is none.
std::vector<std::string> hash_bang(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (file.get() != '#' || file.get() != '!' || !std::getline(file, line)) return {};
  size_t start = line.find_first_not_of(" \t");
  if (start == std::string::npos) return {};
  size_t end = line.find_first_of(" \t", start);
  std::vector<std::string> words{line.substr(start, end - start)};
  size_t more = end == std::string::npos ? end : line.find_first_not_of(" \t", end);
  if (more != std::string::npos) {
    words.push_back(line.substr(more, line.find_last_not_of(" \t\r") - more + 1));
  }
  return words;
}

bool vet(const std::string& path, std::string* why) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return *why = path + ": " + std::strerror(errno), false;
  if (S_ISDIR(st.st_mode)) return *why = path + ": is a directory", false;
  if (!S_ISREG(st.st_mode) || access(path.c_str(), X_OK) != 0) {
    return *why = path + ": is not executable by you", false;
  }
  bool raises = ((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
                ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid());
  if (raises) {
    return *why = path + ": is set-user-id or set-group-id; it would run without its privileges, "
                         "so it is not recorded", false;
  }
  return true;
}

}  // namespace

bool resolve(const std::vector<std::string>& program, Target& out, std::string* why) {
  if (program.empty()) return *why = "expected a program after --", false;
  out.argv.assign(program.begin() + 1, program.end());
  std::string path = search(program[0], why);
  for (int depth = 0; !path.empty(); ++depth) {
    if (!vet(path, why)) return false;
    std::vector<std::string> words = hash_bang(path);
    if (words.empty()) break;
    if (depth == 4) return *why = path + ": interpreters nested too deep", false;
    out.argv.insert(out.argv.begin(), path);
    out.argv.insert(out.argv.begin(), words.begin() + 1, words.end());
    path = words[0];
  }
  if (path.empty()) return false;
  ElfProbe probe;
  if (!probe_elf(path, probe, why)) return false;
  out.links_reprise = probe.links_reprise;
  out.counted = probe.counted;
  out.path = real(path);
  out.argv.insert(out.argv.begin(), path);
  return true;
}

bool nested() {
  if (getauxval(stage::kAuxTable) != 0) return true;
  for (pid_t pid = getppid(); pid > 1;) {
    std::string proc = "/proc/" + std::to_string(pid);
    char path[PATH_MAX];
    ssize_t n = readlink((proc + "/exe").c_str(), path, sizeof path);
    if (n > 0 && std::string_view(path, static_cast<size_t>(n)).ends_with("/reprise-stage")) return true;
    std::ifstream status(proc + "/status");
    pid_t parent = 0;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("PPid:")) parent = std::atoi(line.c_str() + 5);
    }
    if (parent == pid) break;
    pid = parent;
  }
  return false;
}

// Where this executable is. The kernel has two words for it, the second of which needs no /proc; who was started through a loader
// (a pack in a bare container) finds the loader in both, and itself in argv[0], which may stand for a file in PATH.
std::string own_path() {
  const auto is_own = [](std::string_view path) {
    return path.find('/') != path.npos && !path.substr(path.rfind('/') + 1).starts_with("ld");
  };
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n > 0 && is_own({path, static_cast<size_t>(n)})) return std::string(path, static_cast<size_t>(n));
  const auto* const started = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (n <= 0 && started != nullptr && is_own(started)) return started;
  std::string why;
  const std::string found = search(program_invocation_name, &why);
  return found.empty() ? program_invocation_name : found;
}

std::string find_stage(std::string* why) {
  std::string own = own_path();
  std::string dir = own.substr(0, own.rfind('/'));
  for (const std::string& path : {dir + "/reprise-stage", dir + "/../libexec/reprise/reprise-stage"}) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  *why = "reprise-stage is missing beside " + own + " and in ../libexec/reprise";
  return {};
}

// With LD_BIND_NOW: binding at the first call saves the vector registers on the program's stack, and
// which of them count as in use there depends on when the kernel last switched the thread.
std::vector<std::string> environment() {
  std::vector<std::string> out;
  for (char** e = environ; *e; ++e)
    if (!std::string_view(*e).starts_with("LD_BIND_NOW=")) out.emplace_back(*e);
  out.emplace_back("LD_BIND_NOW=1");
  return out;
}

uint64_t random_seed() {
  uint32_t seed = 0;  // 32 bits: easier to read and to type, and plenty
  while (getrandom(&seed, sizeof seed, 0) != sizeof seed) {}
  return seed;
}

namespace {

std::vector<trace::Limit> limits() {
  std::vector<trace::Limit> out;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    rlimit limit{};
    if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) continue;
    out.push_back({static_cast<uint8_t>(resource), limit.rlim_cur, limit.rlim_max});
  }
  return out;
}

// The lines of /proc/cpuinfo's first processor that tell machines apart.
std::string cpu() {
  std::ifstream info("/proc/cpuinfo");
  std::string out;
  for (std::string line; std::getline(info, line) && !line.empty();) {
    size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    if (name == "vendor_id" || name == "cpu family" || name == "model" || name == "model name" ||
        name == "flags") {
      out += name + line.substr(colon) + "\n";
    }
  }
  return out;
}

}  // namespace

trace::Header header_for(const Target& target, const RunOptions& options, uint32_t control_options,
                         uint64_t seed, const std::vector<std::string>& redacted) {
  trace::Header header;
  header.format_version = trace::kFormatVersion;
  header.tape_version = tape::kVersion;
  header.reprise_version = REPRISE_VERSION;
  header.executable = trace::object_file(target.path);
  header.arguments = target.argv;
  header.environment = trace::redacted(environment(), redacted);
  header.redacted = redacted;
  char cwd[PATH_MAX];
  header.working_directory = getcwd(cwd, sizeof cwd) ? cwd : "";
  header.limits = limits();
  header.cpu = cpu();
  utsname name{};
  uname(&name);
  header.kernel = fmt::format("{} {} {}", name.sysname, name.release, name.version);
  header.policy = policy_anywhere(options.policy);
  header.seed = seed;
  header.flavour = target.counted ? "counted" : "plain";
  header.options = control_options;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  header.started_unix_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  return header;
}

namespace {

// What --strict stands for on this machine.
uint32_t strict_options(const RunOptions& options) {
  if (!options.strict) return 0;
  const bool cpuid = failure_of(try_cpuid) == 0;
  if (!cpuid) say("warning: --strict without cpuid faulting: cpuid is not recorded, rdrand not hidden (reprise doctor)");
  return tape::kStrictClock | option(tape::kStrict, cpuid);
}

}  // namespace

bool check_world(const WorldOptions& options, const Target& target, std::string* why) {
  uint32_t faults = 0;
  if (options.world != "real" && options.world != "simulated") {
    return *why = "--world " + options.world + ": there are real and simulated", false;
  }
  if (!seam::parse_faults(options.faults, &faults)) {
    return *why = "--faults " + options.faults + ": none, all, or some of net,partition,file", false;
  }
  if (options.world == "real") {
    if (faults != 0) return *why = "--faults needs --world simulated", false;
    return true;
  }
  if (target.links_reprise) return true;
  return *why = target.path + " does not link Reprise: a simulated world is part of the program", false;
}

uint32_t world_control(const WorldOptions& options) {
  if (options.world != "simulated") return 0;
  uint32_t faults = 0;
  seam::parse_faults(options.faults, &faults);
  return seam::world_options(faults, options.fault_rate);
}

bool set_control(tape::Control& control, tape::Mode mode, const RunOptions& options, uint64_t seed,
                 std::string* why) {
  if (!seam::make_policy(options.policy, seed, why)) return false;
  const std::string policy = policy_anywhere(options.policy);
  if (policy.size() >= sizeof control.policy) return *why = "the policy's path is too long", false;
  std::strcpy(control.policy, policy.c_str());
  control.mode = mode;
  control.seed = seed;
  control.slice_ns = options.slice_us * 1000;
  control.options = option(tape::kHashMemory, options.hash_memory) |
                    option(tape::kVerbose, options.verbose) |
                    option(tape::kStrictClock, options.strict_clock) | strict_options(options) |
                    world_control(options);
  return true;
}

std::vector<std::string> stage_argv(const std::string& stage, const trace::TapeFile& tape,
                                    int report_fd, const std::vector<std::string>& program) {
  std::vector<std::string> argv{stage, std::to_string(tape.fd()), std::to_string(report_fd)};
  if (!program.empty()) {
    argv.push_back("--");
    argv.insert(argv.end(), program.begin(), program.end());
  }
  return argv;
}

}  // namespace reprise::cli
