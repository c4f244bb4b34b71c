// System calls on any descriptor of the simulated world.
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <climits>

#include "runtime/sim/calls.h"
#include "runtime/sim/pipe.h"
#include "runtime/sim/socket.h"

namespace reprise::sim {

namespace {

constexpr int kSettable = O_APPEND | O_NONBLOCK;

long read_some(const Call& call, Buffers& to) {
  const FileRef file = file_of(call.fd(0));
  if (to.size() == 0 && file->socket() != nullptr) return 0;
  const int64_t until = file->socket() != nullptr ? moment_after(file->socket()->receive_timeout_ns) : kForever;
  return until_ready(*file, file->nonblocking(), until, [&] { return file->read(to); });
}

// What blocks writes all; what does not, what fits.
long write_some(const Call& call, Buffers& from) {
  const FileRef file = file_of(call.fd(0));
  const int64_t until = file->socket() != nullptr ? moment_after(file->socket()->send_timeout_ns) : kForever;
  long done = 0;
  do {
    const long written = until_ready(*file, file->nonblocking(), until, [&] { return file->write(from); });
    if (written < 0) return done != 0 ? done : written;
    done += written;
    if (written == 0) break;
  } while (from.size() != 0 && !file->nonblocking() && file->pollable());
  return done;
}

bool good_parts(const Call& call) { return call.args[2] >= 0 && call.args[2] <= IOV_MAX; }

std::span<const iovec> parts_of(const Call& call) { return {call.at<iovec>(1), call.size(2)}; }

long duplicate_at(const Call& call, bool cloexec) {
  const FileRef file = file_of(call.fd(0));
  if (file == nullptr || file_of(call.fd(1)) == nullptr) {
    if (call.fd(1) < kFirstDescriptor || file == nullptr) {
      unsupported(call.name, "between this world's descriptors and the kernel's");
    }
  }
  return install_at(file, cloexec, call.fd(1)) ? call.fd(1) : -EBADF;
}

long make_pipe(int* fds, int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0) unsupported("pipe2", "flags " + std::to_string(flags));
  FileRef ends[2];
  new_pipe(ends);
  for (int i = 0; i < 2; ++i) {
    ends[i]->flags = (flags & O_NONBLOCK) | (i == 0 ? O_RDONLY : O_WRONLY);
    fds[i] = install(std::move(ends[i]), (flags & O_CLOEXEC) != 0);
  }
  return 0;
}

}  // namespace

long do_read(const Call& call) {
  Buffers to(call.at<void>(1), call.size(2));
  return read_some(call, to);
}

long do_write(const Call& call) {
  Buffers from(call.at<void>(1), call.size(2));
  return write_some(call, from);
}

long do_readv(const Call& call) {
  if (!good_parts(call)) return -EINVAL;
  Buffers to(parts_of(call));
  return read_some(call, to);
}

long do_writev(const Call& call) {
  if (!good_parts(call)) return -EINVAL;
  Buffers from(parts_of(call));
  return write_some(call, from);
}

long do_close(const Call& call) { return close_descriptor(call.fd(0)); }
long do_dup(const Call& call) { return install(file_of(call.fd(0)), false); }

long do_dup2(const Call& call) {
  if (call.fd(0) == call.fd(1)) return call.fd(1);
  return duplicate_at(call, false);
}

long do_dup3(const Call& call) {
  if (call.fd(0) == call.fd(1)) return -EINVAL;
  return duplicate_at(call, (call.number(2) & O_CLOEXEC) != 0);
}

long do_fcntl(const Call& call) {
  const int fd = call.fd(0);
  const FileRef file = file_of(fd);
  switch (call.number(1)) {
    case F_DUPFD: return install(file, false, call.number(2));
    case F_DUPFD_CLOEXEC: return install(file, true, call.number(2));
    case F_GETFD: return cloexec_of(fd) ? FD_CLOEXEC : 0;
    case F_SETFD: return set_cloexec(fd, (call.number(2) & FD_CLOEXEC) != 0), 0;
    case F_GETFL: return file->flags;
    case F_SETFL: file->flags = (file->flags & ~kSettable) | (call.number(2) & kSettable); return 0;
    default: unsupported("fcntl", "command " + std::to_string(call.number(1)));
  }
}

long do_ioctl(const Call& call) {
  const FileRef file = file_of(call.fd(0));
  switch (static_cast<unsigned long>(call.args[1])) {
    case FIONBIO:
      file->flags = *call.at<int>(2) != 0 ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
      return 0;
    case FIOCLEX: return set_cloexec(call.fd(0), true), 0;
    case FIONCLEX: return set_cloexec(call.fd(0), false), 0;
    case TCGETS: return -ENOTTY;  // how isatty() asks
    default: unsupported("ioctl", "request " + std::to_string(call.args[1]));
  }
}

long do_pipe(const Call& call) { return make_pipe(call.at<int>(0), 0); }
long do_pipe2(const Call& call) { return make_pipe(call.at<int>(0), call.number(1)); }

long do_eventfd(const Call& call) {
  FileRef made = new_eventfd(static_cast<uint32_t>(call.args[0]), false);
  made->flags = O_RDWR;
  return install(std::move(made), false);
}

long do_eventfd2(const Call& call) {
  FileRef made = new_eventfd(static_cast<uint32_t>(call.args[0]), (call.number(1) & EFD_SEMAPHORE) != 0);
  made->flags = O_RDWR | (call.number(1) & O_NONBLOCK);
  return install(std::move(made), (call.number(1) & O_CLOEXEC) != 0);
}

}  // namespace reprise::sim
