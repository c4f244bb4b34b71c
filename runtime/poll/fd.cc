// FD: non-blocking operations that park, and blocking ones that go to a worker.
//
// Invariants:
//   - An operation holds fdmu_'s read or write lock, hence a reference, from its first look at
//     sysfd_ to its last. The kernel's descriptor is closed by whoever drops the last reference
//     after close(): its number cannot be reused under an operation.
//   - Readiness is edge-triggered. Before an operation pollReset() forgets old readiness, then the
//     call is tried; an edge after the reset is therefore never lost.
//
// The skipped read. After a read that returned less than it was asked for, a stream socket has
// nothing more: data that arrives later is a new edge. So the next read need not ask the kernel to
// hear EAGAIN; it waits for the edge at once, without the reset. This is one system call of three
// for a request and its answer. It is wrong after an end of stream or an error, which a short read
// leaves behind without a new edge. If it arrived before the event that announced the data was
// harvested, that event (epoll looks at the socket when it reports) had EPOLLRDHUP, EPOLLHUP or
// EPOLLERR, and `short_read_may_lie` is set; if after, it is a new edge. Urgent data cuts reads too
// and is found the same way, by EPOLLPRI. Unix sockets are left out: they cut reads behind bytes that
// descriptors were sent with, which no event tells of.
#include "runtime/poll/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "runtime/sched/fibers.h"
#include "runtime/sched/proc.h"
#include "runtime/sys/blocking.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {
namespace {

constexpr size_t kMaxRw = 1 << 30;  // as the reference: larger ones are cut by the kernel anyway
constexpr size_t kMaxParts = 1024;  // IOV_MAX

// What was written before a byte was sent happens before what follows its receipt. One word for all
// descriptors, as the reference has it: which of them are the ends of one connection is not known.
constexpr char io_order = 0;

bool is_socket_stream(FdKind kind) { return kind == FdKind::stream_socket || kind == FdKind::unix_stream; }

IoResult kernel_refused(long result) { return {0, PollError::none, static_cast<int>(-result)}; }
IoResult stopped(PollError error) { return {0, error, 0}; }

// Drops `bytes` from the front of `parts`; the part that was cut is shortened in place.
std::span<iovec> consume(std::span<iovec> parts, size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }
  return parts;
}

// A reader that went away is an error of the call, as on sockets, not a signal to the process; but
// pipes have no MSG_NOSIGNAL. So SIGPIPE is blocked meanwhile, and taken back if it was raised.
// (Workers, which write to everything else, block all signals anyway.)
long write_pipe(long nr, int fd, const void* p, size_t size) {
  const uint64_t sigpipe = uint64_t{1} << (SIGPIPE - 1);
  uint64_t before = 0;
  sys::call(SYS_rt_sigprocmask, SIG_BLOCK, &sigpipe, &before, sizeof before);
  const long result = sys::call(nr, fd, p, size);
  if (result == -EPIPE && !(before & sigpipe)) {
    const timespec at_once{};
    sys::call(SYS_rt_sigtimedwait, &sigpipe, nullptr, &at_once, sizeof sigpipe);
  }
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  return result;
}

}  // namespace

long blocking_fd_call(long (*call)(void*), void* arg) {
  return blocking_call([&] { return call(arg); });
}

FD::~FD() {
  // Nobody else has a reference: no wait, no scheduling point, so that it may run anywhere.
  if (fdmu_.increfAndClose()) evict_and_decref();
}

int FD::init() {
  if (kind_ == FdKind::file) {
    object_ = new_object_id();
    return 0;
  }
  int error = 0;
  pd_ = pollOpen(sysfd_, &error);
  if (pd_) object_ = pd_->object;
  return error;
}

int FD::release() {
  if (pd_ || !fdmu_.increfAndClose()) throw_("release of a descriptor in use");
  return std::exchange(sysfd_, -1);
}

// ---- references -------------------------------------------------------------------------------

int FD::destroy() {
  if (pd_) {
    pollClose(pd_);
    pd_ = nullptr;
  }
  // Not repeated on EINTR: Linux has closed the descriptor by then.
  const long result = kind_ == FdKind::file ? blocking_syscall(SYS_close, sysfd_)
                                            : sys::call(SYS_close, sysfd_);
  sysfd_ = -1;
  const int error = result < 0 && result != -EINTR ? static_cast<int>(-result) : 0;
  close_error_ = error;
  csema_.release();  // from here on *this may be gone: close() has returned
  return error;
}

void FD::decref() {
  if (fdmu_.decref()) destroy();
}

void FD::evict_and_decref() {
  // Parked operations wake up, see `closing`, and drop their references.
  if (pd_) pollUnblock(pd_);
  decref();
}

IoResult FD::close() {
  seam_point(seam::OpKind::io_close, object(), true);
  if (!fdmu_.increfAndClose()) return stopped(PollError::closing);
  evict_and_decref();
  // A call on a worker may take for ever; everything else leaves at once.
  if (kind_ != FdKind::file) csema_.acquire();
  if (close_error_) return {0, PollError::none, close_error_};
  return {};
}

// ---- reading ----------------------------------------------------------------------------------

// Attempts until the answer is not EAGAIN; parks in between.
template <class Attempt>
IoResult FD::repeat(PollMode mode, Attempt attempt) {
  for (;;) {
    if (mode == PollMode::write) happens_before(&io_order);
    const long n = sys::ignoringEINTR(attempt);
    if (mode == PollMode::read) happens_after(&io_order);
    if (n >= 0) return {n, PollError::none, 0};
    if (n != -EAGAIN || !pd_) return kernel_refused(n);
    const PollError error = pollWait(pd_, mode);
    if (error != PollError::none) return stopped(error);
  }
}

long FD::call_rw(long nr, const void* p, size_t size) {
  return pd_ ? sys::call(nr, sysfd_, p, size) : blocking_syscall(nr, sysfd_, p, size);
}

bool FD::drained_now() const { return drained_ && !pd_->short_read_may_lie.load(); }

IoResult FD::wait_if_drained() {
  const PollError error =
      drained_now() ? pollWait(pd_, PollMode::read) : pollReset(pd_, PollMode::read);
  return stopped(error);
}

void FD::after_read(long n, size_t size) {
  drained_ = kind_ == FdKind::stream_socket && n > 0 && static_cast<size_t>(n) < size;
}

IoResult FD::read_locked(void* p, size_t size) {
  if (size == 0) return {};
  if (pd_) {
    const IoResult ready = wait_if_drained();
    if (!ready.ok()) return ready;
  }
  const size_t capped = std::min(size, kMaxRw);
  const IoResult result =
      repeat(PollMode::read, [&] { return call_rw(SYS_read, p, capped); });
  after_read(result.n, capped);
  return result;
}

IoResult FD::read(void* p, size_t size) {
  seam_point(seam::OpKind::io_read, object(), true);
  if (!fdmu_.rwlock(true)) return stopped(PollError::closing);
  const IoResult result = read_locked(p, size);
  unlock(true);
  return result;
}

IoResult FD::pread(void* p, size_t size, int64_t offset) {
  seam_point(seam::OpKind::io_read, object(), false);
  return control([&](int fd) { return sys::call(SYS_pread64, fd, p, std::min(size, kMaxRw), offset); });
}

// ---- writing ----------------------------------------------------------------------------------

IoResult FD::write_once(const void* p, size_t size) {
  const size_t capped = std::min(size, kMaxRw);
  return repeat(PollMode::write, [&] {
    if (is_socket_stream(kind_)) {
      return sys::call(SYS_sendto, sysfd_, p, capped, MSG_NOSIGNAL, nullptr, 0);
    }
    if (kind_ == FdKind::pipe) return write_pipe(SYS_write, sysfd_, p, capped);
    return call_rw(SYS_write, p, capped);
  });
}

IoResult FD::write_locked(const void* p, size_t size) {
  if (pd_) {
    const PollError error = pollReset(pd_, PollMode::write);
    if (error != PollError::none) return stopped(error);
  }
  size_t done = 0;
  while (done < size) {
    IoResult result = write_once(static_cast<const char*>(p) + done, size - done);
    if (!result.ok() || result.n == 0) {  // 0: a device that takes nothing more
      result.n = static_cast<int64_t>(done);
      return result;
    }
    done += static_cast<size_t>(result.n);
  }
  return {static_cast<int64_t>(done), PollError::none, 0};
}

IoResult FD::write(const void* p, size_t size) {
  seam_point(seam::OpKind::io_write, object(), true);
  if (!fdmu_.rwlock(false)) return stopped(PollError::closing);
  const IoResult result = write_locked(p, size);
  unlock(false);
  return result;
}

IoResult FD::write_some(const void* p, size_t size) {
  seam_point(seam::OpKind::io_write, object(), true);
  if (!fdmu_.rwlock(false)) return stopped(PollError::closing);
  IoResult result = pd_ ? stopped(pollReset(pd_, PollMode::write)) : IoResult{};
  if (result.ok()) result = write_once(p, size);
  unlock(false);
  return result;
}

IoResult FD::writev_locked(std::span<iovec> parts) {
  if (pd_) {
    const PollError error = pollReset(pd_, PollMode::write);
    if (error != PollError::none) return stopped(error);
  }
  int64_t done = 0;
  for (parts = consume(parts, 0); !parts.empty();) {
    const size_t count = std::min(parts.size(), kMaxParts);
    IoResult result = repeat(PollMode::write, [&] {
      if (kind_ == FdKind::pipe) return write_pipe(SYS_writev, sysfd_, parts.data(), count);
      if (!is_socket_stream(kind_)) return call_rw(SYS_writev, parts.data(), count);
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = count;
      return sys::call(SYS_sendmsg, sysfd_, &message, MSG_NOSIGNAL);
    });
    if (!result.ok()) {
      result.n = done;
      return result;
    }
    done += result.n;
    parts = consume(parts, static_cast<size_t>(result.n));
  }
  return {done, PollError::none, 0};
}

IoResult FD::writev(std::span<iovec> parts) {
  seam_point(seam::OpKind::io_write, object(), true);
  if (!fdmu_.rwlock(false)) return stopped(PollError::closing);
  const IoResult result = writev_locked(parts);
  unlock(false);
  return result;
}

IoResult FD::pwrite(const void* p, size_t size, int64_t offset) {
  seam_point(seam::OpKind::io_write, object(), true);
  int64_t done = 0;
  while (done < static_cast<int64_t>(size)) {
    const char* from = static_cast<const char*>(p) + done;
    const size_t length = std::min(size - static_cast<size_t>(done), kMaxRw);
    IoResult result = control(
        [&](int fd) { return sys::call(SYS_pwrite64, fd, from, length, offset + done); });
    if (!result.ok() || result.n == 0) {
      result.n = done;
      return result;
    }
    done += result.n;
  }
  return {done, PollError::none, 0};
}

// ---- sockets ----------------------------------------------------------------------------------

IoResult FD::accept(sockaddr* peer, uint32_t* peer_size) {
  seam_point(seam::OpKind::io_read, object(), true);
  if (!fdmu_.rwlock(true)) return stopped(PollError::closing);
  IoResult result = stopped(pollReset(pd_, PollMode::read));
  while (result.ok()) {
    result = repeat(PollMode::read, [&] {
      return sys::call(SYS_accept4, sysfd_, peer, peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    });
    // The client gave up between its connect and our accept: not the listener's error.
    if (result.error != ECONNABORTED) break;
    result = {};
  }
  unlock(true);
  return result;
}

// The verdict of a connect that was in progress. Readiness may be spurious: a socket without error
// and without peer is still connecting.
IoResult FD::finish_connect() {
  for (;;) {
    const PollError error = pollWait(pd_, PollMode::write);
    if (error != PollError::none) return stopped(error);
    int failed = 0;
    socklen_t length = sizeof failed;
    const long asked = sys::call(SYS_getsockopt, sysfd_, SOL_SOCKET, SO_ERROR, &failed, &length);
    if (asked < 0) return kernel_refused(asked);
    if (failed) return {0, PollError::none, failed};
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (sys::call(SYS_getpeername, sysfd_, &peer, &size) == 0) return {};
  }
}

IoResult FD::connect(const sockaddr* address, uint32_t size, int64_t deadline_ns) {
  seam_point(seam::OpKind::io_open, object(), true);
  // Before registering: an unconnected socket would at once report a hang-up.
  const long begun = sys::call(SYS_connect, sysfd_, address, size);
  // Interrupted, a connect goes on in the background like one in progress.
  const bool in_progress = begun == -EINPROGRESS || begun == -EINTR;
  if (begun < 0 && !in_progress) return kernel_refused(begun);
  if (const int error = init()) return {0, PollError::none, error};
  if (!in_progress) return {};
  if (!fdmu_.rwlock(false)) return stopped(PollError::closing);
  if (deadline_ns) pollSetDeadline(pd_, PollMode::write, deadline_ns);
  const IoResult result = finish_connect();
  if (deadline_ns) pollSetDeadline(pd_, PollMode::write, 0);
  unlock(false);
  return result;
}

IoResult FD::shutdown(int how) {
  seam_point(seam::OpKind::io_other, object(), true);
  return control([&](int fd) { return sys::call(SYS_shutdown, fd, how); });
}

IoResult FD::set_deadline(bool read, bool write, int64_t deadline_ns) {
  if (!fdmu_.incref()) return stopped(PollError::closing);
  IoResult result;
  if (!pd_) {
    result.error = ENOTSUP;
  } else {
    if (read) pollSetDeadline(pd_, PollMode::read, deadline_ns);
    if (write) pollSetDeadline(pd_, PollMode::write, deadline_ns);
  }
  decref();
  return result;
}

}  // namespace reprise::rt
