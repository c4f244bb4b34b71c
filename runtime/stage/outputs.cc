// Output of a replayed program.
//
// A replay opens none of the program's descriptors, so "is this the terminal?" is answered by
// bookkeeping: which of the program's descriptor numbers now lead to the stdout and stderr that it
// started with. sendfile, splice and copy_file_range onto one of them are answered with EINVAL, as
// for a terminal: programs then read and write. Hole: what children write is not repeated, the tape
// does not hold it.
#include "runtime/stage/outputs.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "runtime/stage/raw.h"
#include "runtime/stage/stage.h"
#include "runtime/stage/text.h"

namespace reprise::stage {
namespace {

// In the part of the control page that is nobody else's, since it outlives an exec. Bytes, each a
// stream's number with kKnown set; untouched ones mean what they meant at the start.
constexpr uint64_t kTable = tape::kTapeBase + tape::kControlBytes / 2;
static_assert(sizeof(tape::Control) <= tape::kControlBytes / 2);
constexpr uint8_t kKnown = 0x80;

uint8_t* entry(long fd) {
  return fd >= 0 && fd < kFollowed ? reinterpret_cast<uint8_t*>(kTable) + fd : nullptr;
}

void set_stream(long fd, int stream) {
  if (uint8_t* e = entry(fd)) *e = stream | kKnown;
}

// The two descriptors that a call has just stored.
void set_both(uint64_t at) {
  const auto* fds = reinterpret_cast<const int32_t*>(at);
  set_stream(fds[0], 0);
  set_stream(fds[1], 0);
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

int stream_of(long fd) {
  const uint8_t* e = entry(static_cast<int>(fd));
  if (!e) return 0;
  if (*e & kKnown) return *e & ~kKnown;
  return fd == 1 || fd == 2 ? fd : 0;
}

bool writes_to_stream(const Call& call) {
  switch (call.nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2: return stream_of(call.args[0]);
    default: return false;
  }
}

void repeat_child_output(int stream, const void* bytes, uint64_t size) {
  if (option(tape::kReplayQuiet) || (stream != 1 && stream != 2)) return;
  write_all(stream, reinterpret_cast<uint64_t>(bytes), size);
}

void forget_descriptors() { memset(reinterpret_cast<void*>(kTable), 0, kFollowed); }

void save_streams(Streams* out) { memcpy(out, reinterpret_cast<void*>(kTable), kFollowed); }
void restore_streams(const Streams& from) { memcpy(reinterpret_cast<void*>(kTable), &from, kFollowed); }

bool copies_to_stream(const Call& call) {
  switch (call.nr) {
    case SYS_sendfile: return stream_of(call.args[0]);
    case SYS_copy_file_range:
    case SYS_splice: return stream_of(call.args[2]);
    case SYS_tee: return stream_of(call.args[1]);
    case SYS_vmsplice: return stream_of(call.args[0]);
    default: return false;
  }
}

void replay_output(const Call& call, long result) {
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
    case SYS_dup3: return set_stream(result, stream_of(call.args[0]));
    case SYS_fcntl: {
      const bool duplicates = call.args[1] == F_DUPFD || call.args[1] == F_DUPFD_CLOEXEC;
      return duplicates ? set_stream(result, stream_of(call.args[0])) : void();
    }
    case SYS_ioctl: return call.args[1] == TIOCGPTPEER ? set_stream(result, 0) : void();
    case SYS_close: return set_stream(static_cast<int>(call.args[0]), 0);
    // A new descriptor may have the number of one that an exec or a close_range has closed.
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
    case SYS_socket:
    case SYS_accept:
    case SYS_accept4:
    case SYS_memfd_create:
    case SYS_eventfd2:
    case SYS_timerfd_create:
    case SYS_signalfd4:
    case SYS_epoll_create1:
    case SYS_inotify_init1: return set_stream(result, 0);
    case SYS_pipe:
    case SYS_pipe2: return set_both(call.args[0]);
    case SYS_socketpair: return set_both(call.args[3]);
    default: return;
  }
}

}  // namespace reprise::stage
