// The scribe's two loops.
//
// Recording. Invariant: read <= writer.safe() <= position_ <= written. `read` moves only when the
// records below it are in the trace file, so that a killed process group loses nothing: what is not
// in the file is on the tape. Half a ring makes a chunk, if nothing else does: the program must find
// room for its next records while this one is compressed. A record the trace cannot take (disk full) is dropped, and `read`
// moves on: the program's run matters more than its trace. Where the program makes no records for a
// while, much input makes a chunk too, so that little is left to compress when the run has ended.
//
// Replaying. Whole records are copied into the ring and `written` is published every 64 KiB; the
// stage is woken only if it says that it waits.
//
// Waiting. A recording scribe sleeps on written_seq until a quarter of the ring is on the tape, the child is
// gone, somebody asks for its end, or 200 ms are over. It wakes up to cold caches, so seldom is better: at
// 256 KiB and 16 ms it took a fifth more CPU time. A replaying scribe, for whom a ring with room is all there is to wait for, looks again
// after 50 us, then twice as long up to 4 ms. A full ring makes the program wait on read_seq, where release() wakes it.
//
// A recording scribe is a SCHED_BATCH task: it gets its share of the machine, but its waking takes no
// core away from the program or its clients at that instant. On two cores that a server and its
// client fill, this is most of what recording costs them.
#include "replay/scribe.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace reprise::trace {
namespace {

constexpr int kIgnored[4] = {SIGINT, SIGQUIT, SIGHUP, SIGPIPE};
constexpr int64_t kShortNap = 50'000, kLongNap = 4'000'000, kRecordNap = 200'000'000;
constexpr uint64_t kPublishEvery = 64 << 10;
constexpr uint64_t kBatchBytes = kRingBytes / 4;
constexpr uint64_t kIdleChunk = 192 << 10;  // bytes of input

template <typename T>
T load(T& word) { return std::atomic_ref<T>(word).load(std::memory_order_acquire); }
template <typename T>
void store(T& word, T value) { std::atomic_ref<T>(word).store(value, std::memory_order_release); }

void wake(uint32_t& word) {
  std::atomic_ref<uint32_t>(word).fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

// What the handlers say, to a scribe that may be about to wait on the word.
volatile sig_atomic_t terminate_asked = 0, child_changed = 0;
volatile sig_atomic_t end_asked = 0;  // the last of SIGINT and SIGTERM that came
uint32_t* volatile waits_on = nullptr;

void wake_scribe() {
  const int before = errno;
  if (waits_on) wake(*waits_on);
  errno = before;
}
void on_interrupt(int) { end_asked = SIGINT; }
void on_terminate(int) {
  end_asked = SIGTERM;
  terminate_asked = 1;
  wake_scribe();
}
void on_child(int) {
  child_changed = 1;
  wake_scribe();
}

uint64_t now_ns(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Scribe::Scribe(TapeFile& tape) : tape_(tape) {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (size_t i = 0; i < 4; ++i) sigaction(kIgnored[i], &ignore, &former_[i]);
  struct sigaction note {};
  note.sa_handler = on_interrupt;
  note.sa_flags = SA_RESTART;
  sigaction(SIGINT, &note, nullptr);
  struct sigaction pass_on {};
  pass_on.sa_handler = on_terminate;
  terminate_asked = 0;
  end_asked = 0;
  child_changed = 0;
  waits_on = &tape_.control().written_seq;
  sigaction(SIGTERM, &pass_on, &former_terminate_);
  struct sigaction child {};
  child.sa_handler = on_child;
  child.sa_flags = SA_NOCLDSTOP | SA_RESTART;
  sigaction(SIGCHLD, &child, &former_child_);
}

Scribe::~Scribe() {
  if (pidfd_ >= 0) close(pidfd_);
  for (size_t i = 0; i < 4; ++i) sigaction(kIgnored[i], &former_[i], nullptr);
  sigaction(SIGTERM, &former_terminate_, nullptr);
  sigaction(SIGCHLD, &former_child_, nullptr);
  waits_on = nullptr;
  // Whoever had handlers of his own for them hears of them too: the program may have passed over the signal.
  const auto former = end_asked == SIGTERM ? former_terminate_.sa_handler : former_[0].sa_handler;
  if (end_asked != 0 && former != SIG_DFL && former != SIG_IGN) raise(end_asked);
}

bool Scribe::start(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                   int report_fd, std::string* why) {
  std::vector<char*> args = pointers(argv), env = pointers(environment);
  int trouble[2];  // the child writes errno if exec fails; exec closes it otherwise
  if (pipe2(trouble, O_CLOEXEC) != 0) return *why = std::strerror(errno), false;
  if (children_) children_->open();
  child_ = fork();
  if (child_ == 0) {
    for (size_t i = 0; i < 4; ++i) sigaction(kIgnored[i], &former_[i], nullptr);
    sigaction(SIGTERM, &former_terminate_, nullptr);
    sigaction(SIGCHLD, &former_child_, nullptr);
    fcntl(tape_.fd(), F_SETFD, 0);
    fcntl(report_fd, F_SETFD, 0);
    if (children_) children_->pass_on_to_stage();
    execve(args[0], args.data(), env.data());
    int failed = errno;
    [[maybe_unused]] ssize_t n = write(trouble[1], &failed, sizeof failed);
    _exit(127);
  }
  int failed = child_ < 0 ? errno : 0;
  close(trouble[1]);
  if (child_ > 0 && read(trouble[0], &failed, sizeof failed) == sizeof failed) {
    waitpid(child_, nullptr, 0);
  }
  close(trouble[0]);
  if (failed != 0) return *why = argv[0] + ": " + std::strerror(failed), false;
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, child_, 0));
  if (pidfd_ < 0) return *why = std::string("pidfd_open: ") + std::strerror(errno), false;
  fcntl(pidfd_, F_SETFD, FD_CLOEXEC);
  if (children_) children_->start();
  if (watch_ns_ != 0) watchdog_.start(tape_.control(), child_, watch_ns_);
  return true;
}

void Scribe::on_halt(std::function<void(pid_t)> look) {
  on_halt_ = std::move(look);
  tape_.control().halt_wanted = 1;
}

void Scribe::look_at_halted() {
  if (load(tape_.control().halted) == 0) return;
  on_halt_(child_);
  store(tape_.control().halted, 0u);
  syscall(SYS_futex, &tape_.control().halted, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

bool Scribe::child_gone(int64_t nap_ns) {
  if (gone_) return true;
  look_at_halted();
  watchdog_.look();
  pollfd p{pidfd_, POLLIN, 0};
  timespec nap{0, nap_ns};
  if (ppoll(&p, 1, &nap, nullptr) > 0) gone_ = true;
  if (terminate_asked && !gone_) {
    terminate_asked = 0;
    kill(child_, SIGTERM);
  }
  return gone_;
}

// A wake-up that comes before the wait has changed written_seq, or comes again with the next record.
void Scribe::await_records() {
  tape::Control& control = tape_.control();
  const uint32_t seq = load(control.written_seq);
  store(control.wake_at, position_ + kBatchBytes);
  std::atomic_ref(control.consumer_waits).store(1, std::memory_order_seq_cst);
  const bool much = load(control.written) >= position_ + kBatchBytes;
  if (!much && !child_changed && !terminate_asked && load(control.halted) == 0) {
    const timespec limit{0, kRecordNap};
    syscall(SYS_futex, &control.written_seq, FUTEX_WAIT, seq, &limit, nullptr, 0);
  }
  store(control.consumer_waits, 0u);
  child_changed = 0;
  child_gone(0);
}

void Scribe::reap(RunEnd& end) {
  while (!child_gone(kLongNap)) {}
  while (waitpid(child_, &end.wait_status, 0) < 0 && errno == EINTR) {}
}

void Scribe::release(uint64_t position) {
  tape::Control& control = tape_.control();
  if (control.read == position) return;
  store(control.read, position);
  // Ordered against the producer, which sets producer_waits and then looks at `read` again.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (load(control.producer_waits) != 0) wake(control.read_seq);
}

uint64_t Scribe::drain(TraceWriter* writer, Error& failed) {
  const uint64_t start = position_;
  uint64_t written = load(tape_.control().written);
  if (children_) children_->look(&written, pieces_);
  while (position_ < written) {
    if (!pieces_.empty()) put_child_output(writer, failed);
    if (writer && writer->due()) flush(*writer, failed);
    const uint64_t end = pieces_.empty() ? written : std::min(written, pieces_.front().position);
    const Bytes there{tape_.at(position_), end - position_};
    const size_t took = writer ? writer->take(there, position_) : there.size();
    if (took == 0 && !(writer && writer->due())) {
      if (!failed) failed = {Error::Kind::io, "tape", position_, "the program put a torn record on it"};
      position_ = written;
      break;
    }
    position_ += took;
  }
  if (!writer || writer->broken()) release(position_);
  return position_ - start;
}

void Scribe::flush(TraceWriter& writer, Error& failed) {
  if (Error e = writer.flush(); e && !failed) failed = e;
  release(writer.broken() ? position_ : writer.safe());
}

// What children wrote before the program put its next record. What comes after the last record is
// not repeated by a replay: nobody would be there to print it.
void Scribe::put_child_output(TraceWriter* writer, Error& failed) {
  for (; !pieces_.empty() && pieces_.front().position <= position_; pieces_.pop_front()) {
    if (!writer || writer->totals().ended) continue;
    const ChildOutput::Piece& piece = pieces_.front();
    const Bytes content = std::as_bytes(std::span(piece.bytes));
    std::vector<std::byte> bytes;
    append_record(bytes, {tape::kChildOutput, 1, 0, 0, piece.stream}, {&content, 1});
    RecordView record;
    record.parse(bytes);
    Error e = writer->add(record, position_);
    if (e && !failed) failed = e;
  }
}

// Where a signal ended the program before the stage could say so, the parent does. Not for SIGKILL:
// it comes from outside at no particular event, and a replay that reaches it says "cut off".
Error Scribe::put_end(TraceWriter& writer, int wait_status) {
  bool silent = load(tape_.control().finished) == 0 && WIFSIGNALED(wait_status);
  if (!silent || WTERMSIG(wait_status) == SIGKILL) return {};
  std::vector<std::byte> bytes;
  append_record(bytes, {tape::kEnd, 0, 0, 0, wait_status}, {});
  RecordView record;
  record.parse(bytes);
  return writer.add(record, position_);
}

RunEnd Scribe::record(TraceWriter* writer, const std::vector<std::string>& redacted) {
  RunEnd end;
  uint64_t start = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
  if (writer) writer->redact(redacted), writer->limit_chunks(tape_.ring_bytes() / 2);
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);  // refused: as before, only costlier
  for (;;) {
    bool over = gone_;  // looked at before draining, so that nothing written before the end is missed
    if (over) sched_setscheduler(0, SCHED_OTHER, &none);  // nobody to disturb, and somebody waits
    uint64_t got = drain(writer, end.trace_error);
    if (over && got == 0) break;
    const bool much = writer && writer->pending_input_bytes() >= kIdleChunk;
    if (!over && got == 0 && much) flush(*writer, end.trace_error);
    if (!over && got < kBatchBytes) await_records();
  }
  reap(end);
  if (children_) {
    children_->finish();
    uint64_t written = 0;
    children_->look(&written, pieces_);
    put_child_output(writer, end.trace_error);
  }
  if (writer) {
    if (!end.trace_error) end.trace_error = add_packed(tape_.control(), *writer);
    if (!end.trace_error) end.trace_error = put_end(*writer, end.wait_status);
    Error e = writer->flush();
    if (e && !end.trace_error) end.trace_error = e;
  }
  release(position_);
  end.scribe_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  end.duration_ns = now_ns(CLOCK_MONOTONIC) - start;
  return end;
}

void Scribe::publish() {
  tape::Control& control = tape_.control();
  store(control.written, position_);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // against consumer_waits, as in release()
  if (load(control.consumer_waits) != 0) wake(control.written_seq);
}

bool Scribe::make_room(uint64_t bytes) {
  int64_t nap = kShortNap;
  while (tape_.ring_bytes() - (position_ - load(tape_.control().read)) < bytes) {
    publish();
    if (child_gone(nap)) return false;
    nap = std::min(2 * nap, kLongNap);
  }
  return true;
}

bool Scribe::feed_chunk(const DecodedChunk& chunk) {
  Bytes rest = chunk.records;
  RecordView record;
  uint64_t published = position_;
  while (record.parse(rest)) {
    if (!make_room(record.size())) return false;
    std::memcpy(tape_.at(position_), record.whole().data(), record.size());
    position_ += record.size();
    rest = rest.subspan(record.size());
    if (position_ - published >= kPublishEvery) publish(), published = position_;
  }
  publish();
  return true;
}

RunEnd Scribe::replay(TraceReader& reader) {
  RunEnd end;
  uint64_t start = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
  DecodedChunk chunk;
  bool more = true;
  while (more) {
    end.trace_error = reader.next(chunk, &more);
    if (end.trace_error) {
      kill(child_, SIGKILL);
      break;
    }
    if (more && !feed_chunk(chunk)) break;
  }
  store(tape_.control().finished, 1u);
  publish();
  reap(end);
  end.scribe_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
  end.duration_ns = now_ns(CLOCK_MONOTONIC) - start;
  return end;
}

}  // namespace reprise::trace
