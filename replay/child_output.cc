// Pipes, the thread that empties them, and the order between its pieces and the tape.
//
// Order. The thread holds the output lock from its read to the note of the position, and the stage
// holds it from the program's own write to that write's record. So a piece that was written before such
// a write has a position before its record, and the other way round. The position is read under mutex_,
// under which the scribe reads how far it may go: no piece comes for what it has already taken off.
//
// Only reading and writing can block here, and both may for long (a pager); the scribe goes on.
#include "replay/child_output.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <utility>

#include "runtime/seam/output_lock.h"

namespace reprise::trace {
namespace {

constexpr size_t kPiece = 64 << 10;

void futex_wait(uint32_t* word, uint32_t value) {
  const timespec limit{0, 100'000'000};
  syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, nullptr, 0);
}
void futex_wake(uint32_t* word, int how_many) {
  syscall(SYS_futex, word, FUTEX_WAKE, how_many, nullptr, nullptr, 0);
}

bool write_all(int fd, const char* at, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, at, size);
    if (n > 0) {
      at += n;
      size -= static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd p{fd, POLLOUT, 0};
      poll(&p, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

void close_if_open(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// Leaves nothing open but the first three and these two: above all not the trace, which is locked as
// long as somebody has it.
void close_all_but(int (&kept)[2]) {
  constexpr int kFrom = 100;
  for (int& fd : kept) fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD, kFrom);
  unsigned from = 3;
  for (const int fd : {std::min(kept[0], kept[1]), std::max(kept[0], kept[1])}) {
    if (fd < 0) continue;
    close_range(from, static_cast<unsigned>(fd) - 1, 0);
    from = static_cast<unsigned>(fd) + 1;
  }
  close_range(from, ~0u, 0);
}

// False: nobody writes there, or nobody reads what we write.
bool forward_some(int from, int to) {
  char bytes[kPiece];
  const ssize_t n = read(from, bytes, sizeof bytes);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  return n > 0 && write_all(to, bytes, static_cast<size_t>(n));
}

void forward_until_closed(int (&ends)[2]) {
  close_all_but(ends);
  while (ends[0] >= 0 || ends[1] >= 0) {
    pollfd p[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
    if (poll(p, 2, -1) < 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (p[i].revents != 0 && !forward_some(ends[i], i + 1)) close_if_open(ends[i]);
    }
  }
}

}  // namespace

ChildOutput::~ChildOutput() {
  finish();
  for (int& fd : write_end_) close_if_open(fd);
}

void ChildOutput::open() {
  struct stat status[kStreams];
  bool wanted[kStreams];
  for (int i = 0; i < kStreams; ++i) wanted[i] = fstat(i + 1, &status[i]) == 0 && !isatty(i + 1);
  one_file_ = wanted[0] && wanted[1] && status[0].st_dev == status[1].st_dev && status[0].st_ino == status[1].st_ino;
  if (!wanted[0] && !wanted[1]) return;
  if (pipe2(stop_, O_CLOEXEC) != 0) return;
  for (int i = 0; i < kStreams; ++i) {
    if (!wanted[i]) continue;
    int ends[2];
    if (i == 1 && one_file_) {
      tape_.control().child_pipe[1] = tape_.control().child_pipe[0];
    } else if (pipe2(ends, O_CLOEXEC) == 0) {
      fcntl(ends[0], F_SETFL, O_NONBLOCK);
      read_end_[i] = ends[0];
      write_end_[i] = ends[1];
      tape_.control().child_pipe[i] = ends[1];
    }
    tape_.control().child_stream[i].device = status[i].st_dev;
    tape_.control().child_stream[i].inode = status[i].st_ino;
  }
}

void ChildOutput::pass_on_to_stage() {
  for (int fd : write_end_) {
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  }
}

void ChildOutput::start() {
  for (int& fd : write_end_) close_if_open(fd);
  if (read_end_[0] < 0 && read_end_[1] < 0) return;
  // Signals are the scribe's.
  sigset_t all, former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

void ChildOutput::loop() {
  for (;;) {
    pollfd p[3] = {{read_end_[0], POLLIN, 0}, {read_end_[1], POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(p, 3, -1) < 0) continue;
    for (int i = 0; i < kStreams; ++i) {
      if (p[i].revents != 0 && !pass_on(i)) shut(i);
    }
    // A piece is as large as a pipe: what was there when the program ended has been taken.
    if (p[2].revents != 0 || (read_end_[0] < 0 && read_end_[1] < 0)) return;
  }
}

bool ChildOutput::pass_on(int stream) {
  tape::Control& control = tape_.control();
  char bytes[kPiece];
  tape::output_acquire(&control.output_lock, futex_wait, [this] {
    pollfd p{stop_[0], POLLIN, 0};
    return poll(&p, 1, 0) > 0;  // the program is gone, perhaps with the lock
  });
  const ssize_t n = read(read_end_[stream], bytes, sizeof bytes);
  const bool empty = n < 0 && (errno == EAGAIN || errno == EINTR);
  bool written = false;
  if (n > 0) {
    written = write_all(stream + 1, bytes, static_cast<size_t>(n));
    const std::lock_guard guard(mutex_);
    const uint64_t position = std::atomic_ref(control.written).load(std::memory_order_acquire);
    pieces_.push_back({position, stream + 1, std::string(bytes, static_cast<size_t>(n))});
  }
  for (int i = 0; n > 0 && i < kStreams; ++i) {
    if (i != stream && !one_file_) continue;
    std::atomic_ref(control.child_stream[i].taken).fetch_add(static_cast<uint64_t>(n), std::memory_order_release);
  }
  tape::output_release(&control.output_lock, [](uint32_t* word) { futex_wake(word, 1); });
  std::atomic_ref(control.output_seq).fetch_add(1, std::memory_order_seq_cst);
  futex_wake(&control.output_seq, 1 << 30);
  return empty || written;
}

void ChildOutput::shut(int stream) {
  close_if_open(read_end_[stream]);
  for (int i = 0; i < kStreams; ++i) {
    if (i != stream && !one_file_) continue;
    std::atomic_ref(tape_.control().child_stream[i].closed).store(1, std::memory_order_release);
  }
  std::atomic_ref(tape_.control().output_seq).fetch_add(1, std::memory_order_seq_cst);
  futex_wake(&tape_.control().output_seq, 1 << 30);
}

void ChildOutput::look(uint64_t* written, std::deque<Piece>& pieces) {
  const std::lock_guard guard(mutex_);
  *written = std::atomic_ref(tape_.control().written).load(std::memory_order_acquire);
  for (Piece& piece : pieces_) pieces.push_back(std::move(piece));
  pieces_.clear();
}

void ChildOutput::finish() {
  if (thread_.joinable()) {
    const char stop = 0;
    while (write(stop_[1], &stop, 1) < 0 && errno == EINTR) {}
    thread_.join();
    leave_a_forwarder();
  }
  for (int& fd : read_end_) close_if_open(fd);
  for (int& fd : stop_) close_if_open(fd);
}

// Children that are still there hold the pipes. Two forks, so that nobody has to wait for it.
void ChildOutput::leave_a_forwarder() {
  if (read_end_[0] < 0 && read_end_[1] < 0) return;
  const pid_t pid = fork();
  if (pid > 0) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {}
  }
  if (pid != 0) return;
  if (fork() == 0) forward_until_closed(read_end_);
  _exit(0);
}

}  // namespace reprise::trace
