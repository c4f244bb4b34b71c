// File: an open file description, and the table of descriptors that name some.
//
// Whoever changes what a File is ready for says so by changed(): goroutines that wait for it look
// again, and the epoll instances that watch it queue it. Readiness is in epoll's bits.
//
// Descriptors are numbers from kFirstDescriptor up, lowest first, so that they collide with none of the
// kernel's.
//
// Thread safety: the world's. Ownership: descriptors, queued connections and calls under way share a File.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/seam/decision.h"
#include "runtime/time/timer.h"

namespace reprise::rt { struct G; }

namespace reprise::sim {

inline constexpr int kFirstDescriptor = 256;
inline constexpr int kMaxDescriptors = 1 << 16;

class Epoll;
class Socket;
struct Waiter;
struct Watch;

// The program's buffers of one call, consumed from the front.
class Buffers {
 public:
  Buffers(void* at, size_t size) : single_{at, size}, parts_(&single_, 1) { total_ = size; }
  explicit Buffers(std::span<const iovec> parts) : parts_(parts) {
    for (const iovec& part : parts) total_ += part.iov_len;
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  size_t size() const { return total_; }
  void put(const char* from, size_t size);  // REQUIRES: size <= size()
  void take(char* to, size_t size);

 private:
  char* next(size_t* run);
  void consume(size_t size);

  iovec single_{};
  std::span<const iovec> parts_;
  size_t part_ = 0, offset_ = 0;
  size_t total_ = 0;
};

class File : public std::enable_shared_from_this<File> {
 public:
  File();
  virtual ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  virtual std::string_view kind() const = 0;
  virtual uint32_t ready() const = 0;  // bits of epoll
  // What read, write and their families ask. -EAGAIN: not now; the caller waits if the file may block.
  virtual long read(Buffers& to);
  virtual long write(Buffers& from);
  virtual bool pollable() const { return true; }
  // The last descriptor is gone.
  virtual void closed() {}

  virtual Socket* socket() { return nullptr; }
  virtual Epoll* epoll() { return nullptr; }

  bool nonblocking() const { return (flags & 04000) != 0; }

  // What it is ready for may have changed in these respects.
  void changed(uint32_t bits);

  int flags = 0;              // of open(2): access mode, O_NONBLOCK, O_APPEND
  int descriptors = 0;
  seam::ObjectId object;      // what calls on it touch
  std::vector<Waiter*> waiters;
  std::vector<Watch*> watches;
};

using FileRef = std::shared_ptr<File>;

// ---- descriptors ----

int install(FileRef file, bool cloexec, int at_least = kFirstDescriptor);  // or -EMFILE
bool install_at(FileRef file, bool cloexec, int fd);
FileRef file_of(int fd);  // null: not a descriptor of this world
bool cloexec_of(int fd);
void set_cloexec(int fd, bool on);
long close_descriptor(int fd);
void forget_descriptors();
void for_each_file(void (*f)(const FileRef& file));

// ---- waiting ----

inline constexpr int64_t kForever = -1;

// The moment that lies `timeout_ns` ahead, kForever for a negative one.
int64_t moment_after(int64_t timeout_ns);

// Waits until one of the files changes or the moment comes (false). On a goroutine; a thread of the
// program's own cannot wait in this world, which ends the program.
bool wait_for(std::span<File* const> files, int64_t until_ns);

// attempt() until it answers other than -EAGAIN, waiting for `file` in between.
template <class Attempt>
long until_ready(File& file, bool nonblocking, int64_t until_ns, Attempt attempt) {
  const FileRef alive = file.shared_from_this();  // closed meanwhile, the call still has it
  for (;;) {
    const long result = attempt();
    if (result != -11 /* -EAGAIN */ || nonblocking) return result;
    File* const one = &file;
    if (!wait_for({&one, 1}, until_ns)) return result;
  }
}

// Ends the program: a call that this world does not serve.
[[noreturn]] void unsupported(std::string_view call, std::string_view what);

}  // namespace reprise::sim
