// The stage's side of the pipes, and who of the program's threads writes.
//
// Invariants: `writing` is set and cleared under the baton, and a thread that finds it set puts the
// baton down to wait: whoever writes needs the baton to end. The output lock is taken only by the
// thread that has set `writing`, so that only the parent can hold us up there, who needs no baton.
// An execve may end a thread that has the lock: the next image gives it back.
#include "runtime/stage/child_output.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/stat.h>

#include "runtime/seam/output_lock.h"
#include "runtime/stage/descriptors.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/outputs.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/tape_map.h"

namespace reprise::stage {
namespace {

constexpr int kStreams = 2;

uint32_t writing = 0, waiters = 0;  // under the baton

void claim() {
  while (writing) {
    ++waiters;
    const bool left = baton_leave();
    raw(SYS_futex, &writing, FUTEX_WAIT_PRIVATE, 1, nullptr);
    if (left) baton_take();
    --waiters;
  }
  writing = 1;
}

void unclaim() {
  writing = 0;
  if (waiters) raw(SYS_futex, &writing, FUTEX_WAKE_PRIVATE, 1 << 30);
}

// Behind the table of outputs.cc, in the stage's half of the control page: it outlives an exec.
volatile uint32_t& has_lock() {
  return *reinterpret_cast<uint32_t*>(tape::kTapeBase + tape::kControlBytes / 2 + kFollowed);
}

void acquire() {
  tape::output_acquire(
      &control->output_lock, [](uint32_t* word, uint32_t value) { wait_for_other_side(word, value); },
      [] { return !scribe_alive(); });
  has_lock() = 1;
}

void release() {
  has_lock() = 0;
  tape::output_release(&control->output_lock, [](uint32_t* word) { raw(SYS_futex, word, FUTEX_WAKE, 1); });
}

bool children_write() { return mode == Mode::record && control->had_children; }

uint64_t taken(int stream) { return __atomic_load_n(&control->child_stream[stream].taken, __ATOMIC_ACQUIRE); }

// Where `taken` will be when all that is in the pipe is out. REQUIRES: the lock, so that nothing is on
// its way.
uint64_t goal(int stream) {
  int waiting = 0;
  raw(SYS_ioctl, control->child_pipe[stream], FIONREAD, &waiting);
  return taken(stream) + waiting;
}

bool over(int stream) { return __atomic_load_n(&control->child_stream[stream].closed, __ATOMIC_ACQUIRE); }

void await(int stream, uint64_t wanted) {
  for (;;) {
    const uint32_t seq = __atomic_load_n(&control->output_seq, __ATOMIC_ACQUIRE);
    if (taken(stream) >= wanted || over(stream) || !scribe_alive()) return;
    wait_for_other_side(&control->output_seq, seq);
  }
}

bool is_stream(long fd, int stream) {
  struct stat status;
  const tape::Control::ChildStream& known = control->child_stream[stream];
  return raw(SYS_fstat, fd, &status) == 0 && status.st_dev == known.device && status.st_ino == known.inode;
}

}  // namespace

bool is_child_pipe(long fd) {
  return fd > 0 && live() && (fd == control->child_pipe[0] || fd == control->child_pipe[1]);
}

void keep_child_pipes() {
  if (mode != Mode::record) return;
  if (has_lock()) release();
  int32_t(&pipes)[kStreams] = control->child_pipe;
  const bool one = pipes[0] == pipes[1];
  for (int32_t& fd : pipes) {
    if (fd > 0) fd = one && &fd != pipes ? pipes[0] : static_cast<int32_t>(move_high(fd));
  }
}

void redirect_child_streams(KeptStreams* kept) {
  for (int fd = 0; fd < kFollowed; ++fd) {
    const int stream = stream_of(fd) - 1;
    if (stream < 0 || control->child_pipe[stream] <= 0 || !is_stream(fd, stream)) continue;
    const long flags = raw(SYS_fcntl, fd, F_GETFD, 0);
    if (kept && kept->count < KeptStreams::kMost) {
      const long copy = raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, kFirstDescriptor);
      if (copy >= 0) kept->streams[kept->count++] = {fd, static_cast<int>(copy), flags};
    }
    raw(SYS_dup3, control->child_pipe[stream], fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
  }
}

void restore_child_streams(const KeptStreams& kept) {
  for (int i = 0; i < kept.count; ++i) {
    const auto& k = kept.streams[i];
    raw(SYS_dup3, k.copy, k.fd, k.flags & FD_CLOEXEC ? O_CLOEXEC : 0);
    raw(SYS_close, k.copy);
  }
}

namespace {

void await_all() {
  uint64_t goals[kStreams];
  acquire();
  for (int i = 0; i < kStreams; ++i) goals[i] = control->child_pipe[i] > 0 ? goal(i) : 0;
  release();
  for (int i = 0; i < kStreams; ++i) await(i, goals[i]);
}

}  // namespace

void await_child_output() {
  if (!children_write()) return;
  claim();
  await_all();
  unclaim();
}

void await_child_output_at_end() {
  if (children_write() && !writing) await_all();
}

OutputTurn::OutputTurn(const Call& call) : claimed_(live() && writes_to_stream(call)), locked_(false) {
  if (!claimed_) return;
  claim();
  if (!children_write()) return;
  await_all();
  acquire();
  locked_ = true;
}

OutputTurn::~OutputTurn() {
  if (locked_) release();
  if (claimed_) unclaim();
}

}  // namespace reprise::stage
