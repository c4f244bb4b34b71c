// Calls that could take the tape's descriptors away, and the one link that shows the stage instead
// of the program.
//
// To the program they do not exist: closing one is EBADF, dup2 onto one is EBADF as beyond the
// limit, ranges step over them. They lie high, so that programs which count upwards do not meet
// them; where the limit on descriptors is lower than that, they stay where they are.
#include "runtime/stage/descriptors.h"

#include <errno.h>
#include <fcntl.h>

#include <initializer_list>

#include "runtime/stage/child_output.h"
#include "runtime/stage/events.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/outputs.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

bool ours(long fd) {
  return fd >= 0 && (fd == tape_fd || fd == report_fd || fd == stage_fd || is_child_pipe(fd));
}

// The lowest of ours at or above `from`; beyond every descriptor if there is none.
unsigned next_of_ours(unsigned from) {
  unsigned lowest = ~0u;
  for (const int fd : {tape_fd, report_fd, stage_fd, control->child_pipe[0], control->child_pipe[1]}) {
    if (ours(fd) && static_cast<unsigned>(fd) >= from && static_cast<unsigned>(fd) < lowest) lowest = fd;
  }
  return lowest;
}

long close_around_ours(unsigned first, unsigned last, unsigned flags) {
  for (;;) {
    const unsigned ours_at = next_of_ours(first);
    const unsigned end = ours_at > last ? last : ours_at - 1;
    if (ours_at != first) {
      const long result = raw(SYS_close_range, first, end, flags);
      if (result < 0) return result;
    }
    if (ours_at >= last) return 0;
    first = ours_at + 1;
  }
}

}  // namespace

long move_high(long fd) {
  const long high = raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kFirstDescriptor);
  if (high < 0) {
    raw(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    return fd;
  }
  if (fd > 2) raw(SYS_close, fd);
  return high;
}

long do_close(Thread& t, Call& call) {
  return ours(static_cast<int>(call.args[0])) ? settled(t, call, -EBADF) : plain(t, call);
}

long do_close_range(Thread& t, Call& call) {
  const auto first = static_cast<unsigned>(call.args[0]), last = static_cast<unsigned>(call.args[1]);
  const auto flags = static_cast<unsigned>(call.args[2]);
  if (first > last || next_of_ours(first) > last) return plain(t, call);
  return imposed(t, call, [&] { return close_around_ours(first, last, flags); });
}

long do_dup_to(Thread& t, Call& call) {
  return ours(static_cast<int>(call.args[1])) ? settled(t, call, -EBADF) : plain(t, call);
}

long do_kernel_copy(Thread& t, Call& call) {
  return copies_to_stream(call) ? settled(t, call, -EINVAL) : plain(t, call);
}

// The kernel believes that the stage is the executable, and nothing without privilege changes its mind.
bool names_own_executable(uint64_t at) {
  char path[32] = {};
  const bool readable = guarded([&] {
    auto* given = reinterpret_cast<const char*>(at);
    for (unsigned i = 0; i + 1 < sizeof path && given[i]; ++i) path[i] = given[i];
  });
  if (!readable || !starts_with(path, "/proc/")) return false;
  Line own;
  own << "/proc/" << static_cast<int64_t>(program_pid()) << "/exe";
  return equal(path, "/proc/self/exe") || equal(path, own.text);
}

long do_open(Thread& t, Call& call) {
  const int at = call.nr == SYS_openat;
  if (names_own_executable(call.args[at])) call.args[at] = reinterpret_cast<long>(program_path());
  return plain(t, call);
}

long do_readlink(Thread& t, Call& call) {
  const int at = call.nr == SYS_readlinkat;
  if (!names_own_executable(call.args[at])) return plain(t, call);
  const char* executable = program_path();
  const long room = call.args[at + 2];
  if (room <= 0) return settled(t, call, -EINVAL);
  const long size = static_cast<long>(length(executable)) < room ? length(executable) : room;
  const bool written = guarded([&] { memcpy(reinterpret_cast<char*>(call.args[at + 1]), executable, size); });
  return settled(t, call, written ? size : -EFAULT);
}

}  // namespace reprise::stage
