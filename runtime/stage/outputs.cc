// Output of a replayed program.
//
// A replay opens none of the program's descriptors, so "is this the terminal?" is answered by
// bookkeeping: which of the program's descriptor numbers now lead to the stdout and stderr that it
// started with. Output by sendfile, splice or a descriptor passed to a child is not repeated: the
// tape does not hold those bytes.
#include "runtime/stage/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "runtime/stage/raw.h"
#include "runtime/stage/stage.h"

namespace reprise::stage {
namespace {

constexpr int kFollowed = 1024;
uint8_t leads_to[kFollowed] = {0, 1, 2};  // 0: to neither

uint8_t* entry(long fd) { return fd >= 0 && fd < kFollowed ? &leads_to[fd] : nullptr; }

int stream_of(long fd) {
  const uint8_t* e = entry(fd);
  return e ? *e : 0;
}

void duplicate(long from, long to) {
  if (uint8_t* e = entry(to)) *e = stream_of(from);
}

void write_all(int fd, uint64_t at, uint64_t size) {
  while (size) {
    const long n = raw(SYS_write, fd, at, size);
    if (n == -EINTR || n == -EAGAIN) continue;
    if (n <= 0) return;  // whoever read our output is gone; the program was not told either
    at += n;
    size -= n;
  }
}

void write_vectors(int fd, const iovec* v, long count, uint64_t bytes) {
  for (long i = 0; i < count && bytes; ++i) {
    const uint64_t part = bytes < v[i].iov_len ? bytes : v[i].iov_len;
    write_all(fd, reinterpret_cast<uint64_t>(v[i].iov_base), part);
    bytes -= part;
  }
}

}  // namespace

void replay_output(const Call& call, long result) {
  follow_descriptors(call, result);
  if (result <= 0 || option(tape::kReplayQuiet)) return;
  const int fd = stream_of(call.args[0]);
  if (!fd) return;
  switch (call.nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto: return write_all(fd, call.args[1], result);
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
      return write_vectors(fd, reinterpret_cast<const iovec*>(call.args[1]), call.args[2], result);
    default: return;
  }
}

void follow_descriptors(const Call& call, long result) {
  if (result < 0) return;
  switch (call.nr) {
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3: return duplicate(call.args[0], result);
    case SYS_fcntl: {
      const bool duplicates = call.args[1] == F_DUPFD || call.args[1] == F_DUPFD_CLOEXEC;
      if (duplicates) duplicate(call.args[0], result);
      return;
    }
    case SYS_close:
      if (uint8_t* e = entry(call.args[0])) *e = 0;
      return;
    default: return;
  }
}

}  // namespace reprise::stage
