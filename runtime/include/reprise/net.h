// Network connections for goroutines: TCP and Unix stream sockets.
//
// Every call looks blocking and blocks the calling goroutine only. Listener and Conn are cheap
// shared handles: copies name the same socket, which is closed by close() or with the last copy.
// Closing wakes goroutines that wait on the socket; their calls report ErrorKind::closed.
//
// Thread safety: any goroutine, at the same time. Reads are serialised among themselves, writes
// among themselves, a read and a write run side by side. Only on goroutines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <reprise/result.h>
#include <reprise/time.h>

namespace reprise::net {

namespace detail {
struct Socket;
}

// When a deadline passes, calls under way and calls to come report ErrorKind::timeout until another
// one is set: now() + 5s; kNoDeadline takes it away.
inline constexpr TimePoint kNoDeadline{};

// "tcp" "127.0.0.1:7399" "[::1]:7399"; "unix" "/run/kvd.sock", or "@name" for an abstract one.
struct Address {
  std::string network;
  std::string text;
  uint16_t port = 0;  // 0 for unix
};

class Conn {
 public:
  Conn() = default;  // names no socket: every call reports ErrorKind::closed
  explicit Conn(std::shared_ptr<detail::Socket> socket) : socket_(std::move(socket)) {}
  explicit operator bool() const { return socket_ != nullptr; }

  // Waits for at least one byte; 0 at the end of the stream.
  Result<size_t> read(void* to, size_t size);
  Result<size_t> read(std::span<char> to) { return read(to.data(), to.size()); }
  // Waits for all of them; ErrorKind::end_of_file if the stream ends before.
  Status read_full(void* to, size_t size);
  // Writes at least one byte, as many as fit now. A peer that went away is an error, not a signal.
  Result<size_t> write(const void* from, size_t size);
  Status write_all(const void* from, size_t size);
  Status write_all(std::string_view text) { return write_all(text.data(), text.size()); }
  // All parts in as few calls as possible; other writers cannot come between.
  Status write_parts(std::span<const std::string_view> parts);

  Status close();
  Status close_write();  // half-close: the peer reads the end of the stream, we may still read
  Status close_read();

  Status set_deadline(TimePoint deadline);
  Status set_read_deadline(TimePoint deadline);
  Status set_write_deadline(TimePoint deadline);

  // TCP only. New connections have no_delay on, as the reference's do.
  Status set_no_delay(bool on);
  Status set_keep_alive(bool on);
  Status set_read_buffer(size_t bytes);
  Status set_write_buffer(size_t bytes);

  Address local_address() const;   // empty text once closed
  Address remote_address() const;

 private:
  std::shared_ptr<detail::Socket> socket_;
};

class Listener {
 public:
  Listener() = default;
  explicit Listener(std::shared_ptr<detail::Socket> socket) : socket_(std::move(socket)) {}
  explicit operator bool() const { return socket_ != nullptr; }

  Result<Conn> accept();
  Status set_deadline(TimePoint deadline);
  Status close();  // removes the path of a Unix socket
  Address address() const;  // with the port that the kernel chose

 private:
  std::shared_ptr<detail::Socket> socket_;
};

struct ListenOptions {
  int backlog = 4096;      // the kernel caps it at net.core.somaxconn
  bool reuse_port = false;
};

struct DialOptions {
  Duration timeout{0};  // for each address tried; 0: none of our own
};

// Networks: "tcp" "tcp4" "tcp6" "unix". A TCP address is "host:port"; an empty host listens on every
// interface and dials the local one; port 0 lets the kernel choose. Host and service names are
// resolved on a worker thread.
Result<Listener> listen(std::string_view network, std::string_view address,
                        ListenOptions options = {});
Result<Conn> dial(std::string_view network, std::string_view address, DialOptions options = {});

}  // namespace reprise::net
