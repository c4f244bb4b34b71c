// execve: the program's next image is loaded by a stage again, and the tape goes on.
//
// What execve would refuse is refused first, since there is no way back once the stage has executed
// itself. Holes: the set-user-id bit has no effect, and an executable must be readable.
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>

#include "runtime/stage/child_output.h"
#include "runtime/stage/descriptors.h"
#include "runtime/stage/events.h"
#include "runtime/stage/files.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/script.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/start_state.h"
#include "runtime/stage/text.h"
#include "runtime/stage/vfork.h"

namespace reprise::stage {
namespace {

constexpr int kOwnArguments = 6;
const char* next_argv[kScriptArguments + kOwnArguments];
char path[4096];

struct Target {
  uint64_t argv, envp;
  long error = 0;
};

bool copy_path(uint64_t from) {
  if (names_own_executable(from)) {
    Text(path, sizeof path) << program_path();
    return true;
  }
  return guarded([&] { Text(path, sizeof path) << reinterpret_cast<const char*>(from); });
}

// execveat: the descriptor and the path become one path.
long resolve(const Call& call) {
  if (call.nr == SYS_execve) return copy_path(call.args[0]) ? 0 : -EFAULT;
  char relative[2048];
  const bool readable = guarded([&] { Text(relative, sizeof relative) << reinterpret_cast<const char*>(call.args[1]); });
  if (!readable) return -EFAULT;
  Text out(path, sizeof path);
  const int directory = call.args[0];
  if (relative[0] != '/' && directory != AT_FDCWD) {
    char base[1024];
    path_of_descriptor(directory, base, sizeof base);
    if (!base[0]) return -EBADF;
    out << base << (relative[0] ? "/" : "");
  }
  out << relative;
  return 0;
}

// Bytes that a list of strings takes on the next stack; an unreadable one ends the guarded access.
uint64_t list_bytes(uint64_t list) {
  uint64_t bytes = 0;
  for (auto* p = reinterpret_cast<const char* const*>(list); p && *p; ++p) bytes += length(*p) + 1 + sizeof *p;
  return bytes;
}

// What the kernel would say about the lists as such: 0, -EFAULT or -E2BIG.
long lists_status(uint64_t argv, uint64_t envp) {
  constexpr uint64_t kRoom = 2 << 20;  // a quarter of the stack, less what we add
  uint64_t bytes = 0;
  if (!guarded([&] { bytes = list_bytes(argv) + list_bytes(envp); })) return -EFAULT;
  return bytes > kRoom - 4096 ? -E2BIG : 0;
}

// The program's arguments behind ours. -E2BIG, -EFAULT, or their number.
long copy_arguments(uint64_t argv) {
  long n = 0;
  const bool readable = guarded([&] {
    auto* from = reinterpret_cast<const char* const*>(argv);
    for (; from && from[n] && n < kScriptArguments - 1; ++n) next_argv[kOwnArguments + n] = from[n];
  });
  if (!readable) return -EFAULT;
  if (n == kScriptArguments - 1) return -E2BIG;
  if (n == 0) next_argv[kOwnArguments + n++] = "";
  next_argv[kOwnArguments + n] = nullptr;
  return n;
}

Target target_of(const Call& call) {
  const int at = call.nr == SYS_execveat;
  Target target = {static_cast<uint64_t>(call.args[1 + at]), static_cast<uint64_t>(call.args[2 + at])};
  target.error = resolve(call);
  if (!target.error) target.error = executable_status(path);
  if (!target.error) target.error = lists_status(target.argv, target.envp);
  if (!target.error) {
    const long n = copy_arguments(target.argv);
    if (n < 0) target.error = n;
  }
  return target;
}

void keep_over_exec(int fd) { raw(SYS_fcntl, fd, F_SETFD, 0); }

[[noreturn]] void execute_stage(const Thread& t, const char** argv, uint64_t envp) {
  static Line tape_text, report_text;
  tape_text << int64_t{tape_fd};
  report_text << int64_t{report_fd};
  argv[0] = "reprise-stage";
  argv[1] = tape_text.text;
  argv[2] = report_text.text;
  keep_over_exec(tape_fd);
  keep_over_exec(report_fd);
  for (const int fd : control->child_pipe) {
    if (is_child_pipe(fd)) keep_over_exec(fd);
  }
  unpin();
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
  set_kernel_mask(t.mask);
  const char* const none[] = {nullptr};
  const long result = raw(SYS_execveat, stage_fd, "", argv, envp ? envp : reinterpret_cast<uint64_t>(none), AT_EMPTY_PATH);
  Line line;
  line << "the stage cannot execute itself again: error " << -result;
  fail(Verdict::broken, line.text);
}

}  // namespace

long do_exec(Thread& t, Call& call) {
  if (t.vforked) return vforked_exec(t, call);
  if (!live()) {
    const long recorded = expect(t, call, false)->value;
    advance(call.check);
    if (recorded < 0) return recorded;
    announce_position();
    const char* argv[] = {nullptr, nullptr, nullptr, nullptr};
    execute_stage(t, argv, 0);
  }
  const Target target = target_of(call);
  if (target.error) return settled(t, call, target.error);
  settled(t, call, 0);
  next_argv[3] = "--exec";
  next_argv[4] = path;
  next_argv[5] = "--";
  execute_stage(t, next_argv, target.envp);
}

}  // namespace reprise::stage
