// Sockets: what TCP and Unix stream sockets share, and who is bound where.
//
// Bytes that were sent are on the wire until they arrive, then in the receiver's queue. Without a fault they
// arrive at once. A wire keeps the order of its connection; different connections overtake each other.
//
// Thread safety: the world's. Ownership: a connection's ends know each other weakly; an end lives as long as
// a descriptor, a listener's queue or a call does.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "runtime/sim/faults.h"
#include "runtime/sim/file.h"

namespace reprise::sim {

// Received bytes, in order.
class ByteQueue {
 public:
  size_t size() const { return bytes_.size() - head_; }
  bool empty() const { return size() == 0; }
  void append(const char* from, size_t size) { bytes_.append(from, size); }
  const char* data() const { return bytes_.data() + head_; }
  void consume(size_t size);
  void clear() { bytes_.clear(), head_ = 0; }

 private:
  std::string bytes_;
  size_t head_ = 0;
};

inline constexpr size_t kDefaultBuffer = 212'992;  // net.core.wmem_default

class Socket : public File {
 public:
  explicit Socket(int family) : domain(family) {}

  Socket* socket() override { return this; }
  long read(Buffers& to) override { return receive(to, 0); }
  long write(Buffers& from) override { return send(from, 0); }

  virtual long bind(const sockaddr* address, socklen_t size) = 0;
  virtual long listen(int backlog) = 0;
  virtual long connect(const sockaddr* address, socklen_t size) = 0;
  // The connection that is next in line, or -EAGAIN and so on in *error.
  virtual FileRef accept(long* error) = 0;
  // MSG_PEEK is the only flag that matters here. -EAGAIN: not now.
  virtual long receive(Buffers& to, int flags) = 0;
  virtual long send(Buffers& from, int flags) = 0;
  virtual long shutdown(int how) = 0;
  virtual socklen_t name(bool peer, sockaddr_storage* to, long* error) const = 0;
  virtual int protocol() const = 0;
  virtual bool listens() const = 0;

  long option(int level, int name, void* value, socklen_t* size);
  long set_option(int level, int name, const void* value, socklen_t size);

  const int domain;
  int error = 0;  // pending: what SO_ERROR tells, and the next call
  int64_t receive_timeout_ns = kForever;
  int64_t send_timeout_ns = kForever;

 protected:
  long take_error() { return -std::exchange(error, 0); }
  // What an operation on a broken stream comes to; raises SIGPIPE unless told not to.
  long broken_pipe(int flags);
  size_t buffer_of(int name) const;
  bool flag(int level, int name) const;

  std::map<std::pair<int, int>, int> options_;
};

FileRef new_tcp_socket(int family);
FileRef new_unix_socket();
void new_unix_pair(FileRef ends[2]);

// Who is bound where is forgotten.
void forget_tcp_names();
void forget_unix_names();

}  // namespace reprise::sim
