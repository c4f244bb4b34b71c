// gdb sees a static executable, the stage, that loads the program by itself. So: let the stage run
// to at_jump, its hook just before the program's first instruction, then read the executable's symbols
// at the address where the stage has put it; gdb finds the libraries through the program's own
// r_debug from there.
//
// SIGSYS is the stage's trap, SIGSEGV and SIGILL it uses for rdtsc, rdrand and preemptions: passed on silently. When the
// program is about to die of a fault the stage calls at_death, and gdb (reprise-gdb.py) stops at the next.
#include "tools/cli/gdb.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tools/cli/launch.h"

namespace reprise::cli {
namespace {

constexpr uint64_t kExecutableBase = 0x5555'5555'4000;  // where the stage maps an ET_DYN executable

uint64_t load_bias(const std::string& path) {
  Elf64_Ehdr header{};
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  bool whole = read(fd, &header, sizeof header) == sizeof header;
  close(fd);
  return whole && header.e_type == ET_DYN ? kExecutableBase : 0;
}

// `info goroutines` and `goroutine N COMMAND`. Empty if it is not installed: gdb does without.
std::string gdb_script() {
  const std::string own = own_path();
  const std::string dir = own.substr(0, own.rfind('/'));
  for (const std::string& path : {dir + "/reprise-gdb.py", dir + "/../share/reprise/reprise-gdb.py"}) {
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return {};
}

}  // namespace

std::vector<std::string> gdb_argv(const std::vector<std::string>& stage_argv,
                                  const trace::TraceReader& reader, const std::string& pack_root) {
  std::string executable = pack_root + reader.header().executable.path;
  std::vector<std::string> argv{"/usr/bin/env", "gdb", "-q"};
  std::vector<std::string> commands{
      "set confirm off", "set pagination off", "set startup-with-shell off",
      "set disable-randomization off", "handle SIGSYS SIGSEGV SIGILL nostop noprint pass",
      "tbreak at_jump", "set $reprise_at_death = (unsigned long)&at_death", "run"};
  if (!pack_root.empty()) commands.push_back("set sysroot " + pack_root);
  commands.push_back("file " + executable);
  commands.push_back(fmt::format("symbol-file {} -o {:#x}", executable, load_bias(executable)));
  if (std::string script = gdb_script(); !script.empty()) commands.push_back("source " + script);
  for (const std::string& command : commands) {
    argv.push_back("-ex");
    argv.push_back(command);
  }
  argv.push_back("--args");
  argv.insert(argv.end(), stage_argv.begin(), stage_argv.end());
  return argv;
}

}  // namespace reprise::cli
