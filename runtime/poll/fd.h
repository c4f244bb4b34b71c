// FD: a descriptor that goroutines share, the equivalent of the reference's internal/poll.FD.
//
// Reads are serialised, writes are serialised, close waits for neither: it wakes whoever is parked
// on the descriptor, their calls report `closing`, and the kernel's close happens when the last
// operation has left. A pollable descriptor never enters a call that blocks: EAGAIN parks the
// goroutine on the poller. Any other one is read and written on worker threads. EINTR is retried.
//
// Thread safety: any goroutine. Blocks the G only. Ownership: FD owns the kernel's descriptor; the
// owner of the FD closes it before destroying it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/poll/fd_mutex.h"
#include "runtime/poll/netpoll.h"

struct iovec;
struct sockaddr;

namespace reprise::rt {

// What an operation came to: a count, or the poller's verdict, or the kernel's error.
struct IoResult {
  int64_t n = 0;
  PollError poll = PollError::none;
  int error = 0;  // errno; 0 unless the kernel refused

  bool ok() const { return poll == PollError::none && error == 0; }
};

enum class FdKind : uint8_t {
  stream_socket,  // TCP: reads may skip a call that would find nothing
  unix_stream,
  socket,         // listening
  pipe,           // pollable file: pipe, FIFO, terminal
  file,           // blocking: regular file, directory, device
};

class FD {
 public:
  FD(int sysfd, FdKind kind) : sysfd_(sysfd), kind_(kind) {}
  FD(const FD&) = delete;
  FD& operator=(const FD&) = delete;
  ~FD();

  // Registers with the poller unless the kind is `file`; 0 or an errno.
  // REQUIRES: the descriptor is non-blocking if it is to be polled.
  int init();

  IoResult read(void* p, size_t size);               // n == 0: end of stream
  IoResult write(const void* p, size_t size);        // all of it unless an error stops it; n counts
  IoResult write_some(const void* p, size_t size);   // what fits, at least one byte
  IoResult writev(std::span<iovec> parts);           // the same; consumes `parts`
  IoResult pread(void* p, size_t size, int64_t offset);
  IoResult pwrite(const void* p, size_t size, int64_t offset);
  // n: the new, non-blocking descriptor; the peer's address where wanted.
  IoResult accept(sockaddr* peer, uint32_t* peer_size);
  // REQUIRES: not yet registered; registers. Gives up at the deadline (ns, monotonic; 0: none).
  IoResult connect(const sockaddr* address, uint32_t size, int64_t deadline_ns);
  IoResult shutdown(int how);

  // Runs call(sysfd) with a reference held: it cannot be closed meanwhile. On a worker if blocking.
  template <class F>
  IoResult control(F call);

  // Deadline on the monotonic clock in ns; 0 none. ENOTSUP for a file.
  IoResult set_deadline(bool read, bool write, int64_t deadline_ns);

  // Closes once; a second close reports `closing`. Wakes parked operations. When it returns the
  // kernel's descriptor is closed, unless a blocking call is still under way on a worker.
  IoResult close();

  // Gives the descriptor up unclosed. REQUIRES: nobody uses it, and it is not registered.
  int release();

  bool pollable() const { return pd_ != nullptr; }
  int sysfd_for_test() const { return sysfd_; }

 private:
  template <class Attempt>
  IoResult repeat(PollMode mode, Attempt attempt);
  long call_rw(long nr, const void* p, size_t size);
  bool drained_now() const;
  IoResult wait_if_drained();
  void after_read(long n, size_t size);
  IoResult read_locked(void* p, size_t size);
  IoResult write_once(const void* p, size_t size);
  IoResult write_locked(const void* p, size_t size);
  IoResult writev_locked(std::span<iovec> parts);
  IoResult finish_connect();
  void unlock(bool read) {
    if (fdmu_.rwunlock(read)) [[unlikely]] destroy();
  }
  void evict_and_decref();
  void decref();
  int destroy();
  // Asked for before an operation has its reference: not by way of pd_, which the last one to go drops.
  seam::ObjectId object() const { return object_; }

  FdMutex fdmu_;
  int sysfd_;
  FdKind kind_;
  bool drained_ = false;  // read lock: the last read took all there was
  PollDesc* pd_ = nullptr;
  seam::ObjectId object_;  // constant after init()
  FdSemaphore csema_;     // released when the descriptor was destroyed
  int close_error_ = 0;   // what the kernel's close said; before csema_ is released
};

// A call on behalf of a goroutine, on a worker thread.
long blocking_fd_call(long (*call)(void*), void* arg);

template <class F>
IoResult FD::control(F call) {
  if (!fdmu_.incref()) return {0, PollError::closing, 0};
  long result;
  if (pd_) {
    result = call(sysfd_);
  } else {
    struct Call { F* f; int fd; } bound{&call, sysfd_};
    result = blocking_fd_call(
        [](void* arg) { auto* b = static_cast<Call*>(arg); return (*b->f)(b->fd); }, &bound);
  }
  decref();
  if (result < 0) return {0, PollError::none, static_cast<int>(-result)};
  return {result, PollError::none, 0};
}

}  // namespace reprise::rt
