// Pipes, after the kernel's pipe.c: writes of up to PIPE_BUF bytes are whole or not at all. Event counters.
#include "runtime/sim/pipe.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>

#include "runtime/sim/socket.h"
#include "runtime/sys/syscall.h"

namespace reprise::sim {

namespace {

constexpr uint32_t kIn = EPOLLIN | EPOLLRDNORM, kOut = EPOLLOUT | EPOLLWRNORM;
constexpr size_t kCapacity = 65'536;

class PipeEnd;

struct Pipe {
  ByteQueue bytes;
  PipeEnd* reader = nullptr;  // null: closed
  PipeEnd* writer = nullptr;
};

class PipeEnd final : public File {
 public:
  PipeEnd(std::shared_ptr<Pipe> pipe, bool reads) : pipe_(std::move(pipe)), reads_(reads) {}

  std::string_view kind() const override { return "pipe"; }

  uint32_t ready() const override {
    const size_t held = pipe_->bytes.size();
    if (reads_) return (held != 0 ? kIn : 0) | (pipe_->writer == nullptr ? uint32_t{EPOLLHUP} : 0);
    return (kCapacity - held >= PIPE_BUF ? kOut : 0) | (pipe_->reader == nullptr ? uint32_t{EPOLLERR} : 0);
  }

  long read(Buffers& to) override {
    if (!reads_) return -EBADF;
    if (to.size() == 0) return 0;
    if (pipe_->bytes.empty()) return pipe_->writer == nullptr ? 0 : -EAGAIN;
    const size_t size = std::min(to.size(), pipe_->bytes.size());
    to.put(pipe_->bytes.data(), size);
    pipe_->bytes.consume(size);
    if (pipe_->writer != nullptr) pipe_->writer->changed(kOut);
    return static_cast<long>(size);
  }

  long write(Buffers& from) override {
    if (reads_) return -EBADF;
    if (from.size() == 0) return 0;
    if (pipe_->reader == nullptr) {
      rt::sys::call(SYS_tgkill, rt::sys::call(SYS_getpid), rt::sys::call(SYS_gettid), SIGPIPE);
      return -EPIPE;
    }
    const size_t free = kCapacity - pipe_->bytes.size();
    if (free == 0 || (from.size() <= PIPE_BUF && free < from.size())) return -EAGAIN;
    std::string bytes(std::min(from.size(), free), '\0');
    from.take(bytes.data(), bytes.size());
    pipe_->bytes.append(bytes.data(), bytes.size());
    pipe_->reader->changed(kIn);
    return static_cast<long>(bytes.size());
  }

  void closed() override {
    (reads_ ? pipe_->reader : pipe_->writer) = nullptr;
    PipeEnd* other = reads_ ? pipe_->writer : pipe_->reader;
    if (other != nullptr) other->changed(~0u);
  }

 private:
  std::shared_ptr<Pipe> pipe_;
  bool reads_;
};

class EventCounter final : public File {
 public:
  EventCounter(uint64_t count, bool semaphore) : count_(count), semaphore_(semaphore) {}

  std::string_view kind() const override { return "eventfd"; }

  uint32_t ready() const override {
    return (count_ != 0 ? uint32_t{EPOLLIN} : 0) | (count_ < kMost ? uint32_t{EPOLLOUT} : 0);
  }

  long read(Buffers& to) override {
    if (to.size() < sizeof count_) return -EINVAL;
    if (count_ == 0) return -EAGAIN;
    const uint64_t taken = semaphore_ ? 1 : count_;
    count_ -= taken;
    to.put(reinterpret_cast<const char*>(&taken), sizeof taken);
    changed(EPOLLOUT);
    return sizeof taken;
  }

  long write(Buffers& from) override {
    uint64_t added;
    if (from.size() < sizeof added) return -EINVAL;
    from.take(reinterpret_cast<char*>(&added), sizeof added);
    if (added == UINT64_MAX) return -EINVAL;
    if (kMost - count_ < added) unsupported("write", "an eventfd whose counter is full");
    count_ += added;
    changed(EPOLLIN);
    return sizeof added;
  }

 private:
  static constexpr uint64_t kMost = UINT64_MAX - 1;
  uint64_t count_;
  bool semaphore_;
};

}  // namespace

void new_pipe(FileRef ends[2]) {
  auto pipe = std::make_shared<Pipe>();
  auto reader = std::make_shared<PipeEnd>(pipe, true);
  auto writer = std::make_shared<PipeEnd>(pipe, false);
  pipe->reader = reader.get();
  pipe->writer = writer.get();
  writer->object = reader->object;
  ends[0] = std::move(reader);
  ends[1] = std::move(writer);
}

FileRef new_eventfd(uint64_t count, bool semaphore) { return std::make_shared<EventCounter>(count, semaphore); }

}  // namespace reprise::sim
