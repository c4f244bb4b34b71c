// net: sockets on top of FD.
//
// Invariant: a Socket's FD is registered with the poller before anybody else sees the Socket, and
// the kernel's descriptor is non-blocking from birth.
#include <reprise/net.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/poll/address.h"
#include "runtime/poll/fd.h"
#include "runtime/sched/proc.h"
#include "runtime/sys/blocking.h"
#include "runtime/sys/syscall.h"
#include "runtime/time/clock.h"

namespace reprise::net {

namespace detail {

struct Socket {
  Socket(int sysfd, rt::FdKind kind, std::string network_name)
      : fd(sysfd, kind), network(std::move(network_name)) {}

  rt::FD fd;
  std::string network;
  rt::SocketAddress remote;  // of a connection; written before it is shared
  std::string unlink_path;   // of a Unix listener
};

}  // namespace detail

namespace {

using detail::Socket;
using rt::AddressUse;
using rt::FdKind;
using rt::IoResult;
using rt::SocketAddress;
namespace sys = rt::sys;

// ---- errors -----------------------------------------------------------------------------------

Error error_of(const IoResult& result, std::string context) {
  switch (result.poll) {
    case rt::PollError::closing: return Error(ErrorKind::closed, 0, std::move(context));
    case rt::PollError::timeout: return Error(ErrorKind::timeout, 0, std::move(context));
    case rt::PollError::not_pollable: return Error::system(EBADF, std::move(context));
    case rt::PollError::none: return Error::system(result.error, std::move(context));
  }
  rt::throw_("poll error of unknown kind");
}

SocketAddress local_of(Socket& socket) {
  SocketAddress address;
  address.size = sizeof address.storage;
  const IoResult got = socket.fd.control(
      [&](int fd) { return sys::call(SYS_getsockname, fd, &address.storage, &address.size); });
  return got.ok() ? address : SocketAddress{};
}

std::string describe(std::string_view op, Socket* socket) {
  std::string text(op);
  if (!socket) return text;
  text += " " + socket->network;
  const std::string local = rt::printable(local_of(*socket)).text;
  const std::string remote = rt::printable(socket->remote).text;
  if (!local.empty()) text += " " + local;
  if (!remote.empty()) text += (local.empty() ? " " : "->") + remote;
  return text;
}

Error closed_error(std::string_view op) { return Error(ErrorKind::closed, 0, std::string(op)); }

// Out of line, so that the callers' good case is in line.
[[gnu::noinline, gnu::cold]] Error failure_of(const IoResult& result, std::string_view op, Socket* socket) {
  return error_of(result, describe(op, socket));
}

Status status_of(const IoResult& result, std::string_view op, Socket* socket) {
  if (result.ok()) [[likely]] return {};
  return failure_of(result, op, socket);
}

Result<size_t> count_of(const IoResult& result, std::string_view op, Socket* socket) {
  if (result.ok()) [[likely]] return static_cast<size_t>(result.n);
  return failure_of(result, op, socket);
}

int64_t deadline_ns(TimePoint deadline) { return deadline.time_since_epoch().count(); }

Status set_deadline_of(Socket* socket, bool read, bool write, TimePoint deadline) {
  if (!socket) return closed_error("set deadline");
  return status_of(socket->fd.set_deadline(read, write, deadline_ns(deadline)), "set deadline",
                   socket);
}

// ---- options ----------------------------------------------------------------------------------

long set_option(int fd, int level, int name, int value) {
  return sys::call(SYS_setsockopt, fd, level, name, &value, sizeof value);
}

Status set_option_of(Socket* socket, int level, int name, int value) {
  if (!socket) return closed_error("set option");
  return status_of(
      socket->fd.control([&](int fd) { return set_option(fd, level, name, value); }), "set option",
      socket);
}

bool is_tcp(const SocketAddress& address) {
  return address.family() == AF_INET || address.family() == AF_INET6;
}

FdKind kind_of(const SocketAddress& address) { return is_tcp(address) ? FdKind::stream_socket : FdKind::unix_stream; }

// ---- making sockets ---------------------------------------------------------------------------

std::string op_and_address(std::string_view op, std::string_view network, std::string_view address) {
  return std::string(op) + " " + std::string(network) + " " + std::string(address);
}

Error refused(long result, std::string context) {
  return Error::system(static_cast<int>(-result), std::move(context));
}

long new_socket(int family) {
  return sys::call(SYS_socket, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// Options of a listening socket, then bind and listen; 0 or -errno.
long bind_and_listen(int fd, const SocketAddress& address, bool dual_stack,
                     const ListenOptions& options) {
  if (is_tcp(address)) {
    if (long r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); r < 0) return r;
    if (options.reuse_port) {
      if (long r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1); r < 0) return r;
    }
  }
  if (address.family() == AF_INET6) {
    if (long r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? 0 : 1); r < 0) return r;
  }
  if (long r = sys::call(SYS_bind, fd, &address.storage, address.size); r < 0) return r;
  return sys::call(SYS_listen, fd, options.backlog);
}

Result<Listener> listen_on(std::string_view network, const SocketAddress& address, bool dual_stack,
                           const ListenOptions& options, const std::string& context) {
  const long fd = new_socket(address.family());
  if (fd < 0) return refused(fd, context);
  auto socket =
      std::make_shared<Socket>(static_cast<int>(fd), FdKind::socket, std::string(network));
  if (long r = bind_and_listen(static_cast<int>(fd), address, dual_stack, options); r < 0) {
    return refused(r, context);
  }
  if (const int error = socket->fd.init()) return Error::system(error, context);
  socket->unlink_path = rt::unix_path(address);
  return Listener(std::move(socket));
}

// A connection as the reference hands it out.
Conn finish(std::shared_ptr<Socket> socket, int fd) {
  if (is_tcp(socket->remote)) (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return Conn(std::move(socket));
}

Result<Conn> dial_one(std::string_view network, const SocketAddress& address,
                      const DialOptions& options, const std::string& context) {
  const long fd = new_socket(address.family());
  if (fd < 0) return refused(fd, context);
  auto socket = std::make_shared<Socket>(static_cast<int>(fd), kind_of(address), std::string(network));
  socket->remote = address;
  const int64_t deadline =
      options.timeout.count() > 0 ? rt::nanotime() + options.timeout.count() : 0;
  const IoResult connected = socket->fd.connect(address.get(), address.size, deadline);
  if (!connected.ok()) return error_of(connected, context);
  return finish(std::move(socket), static_cast<int>(fd));
}

}  // namespace

Result<Listener> listen(std::string_view network, std::string_view address, ListenOptions options) {
  auto resolved = rt::resolve(network, address, AddressUse::listen);
  if (!resolved) return std::move(resolved).error();
  const std::string context = op_and_address("listen", network, address);
  // Where the kernel has no IPv6, the unnamed host's second address is the IPv4 one.
  const bool dual_stack = resolved->size() > 1 && network == "tcp" && address.starts_with(':');
  Result<Listener> result = listen_on(network, resolved->front(), dual_stack, options, context);
  for (size_t i = 1; !result && i < resolved->size() && result.error().is(EAFNOSUPPORT); ++i) {
    result = listen_on(network, (*resolved)[i], false, options, context);
  }
  return result;
}

Result<Conn> dial(std::string_view network, std::string_view address, DialOptions options) {
  auto resolved = rt::resolve(network, address, AddressUse::dial);
  if (!resolved) return std::move(resolved).error();
  const std::string context = op_and_address("dial", network, address);
  Result<Conn> first = dial_one(network, resolved->front(), options, context);
  for (size_t i = 1; !first && i < resolved->size(); ++i) {
    Result<Conn> next = dial_one(network, (*resolved)[i], options, context);
    if (next) return next;
  }
  return first;  // the first failure says most
}

// ---- Listener ---------------------------------------------------------------------------------

Result<Conn> Listener::accept() {
  if (!socket_) return closed_error("accept");
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  const IoResult got = socket_->fd.accept(reinterpret_cast<sockaddr*>(&peer.storage), &peer.size);
  if (!got.ok()) return error_of(got, describe("accept", socket_.get()));
  const int fd = static_cast<int>(got.n);
  auto socket = std::make_shared<Socket>(fd, kind_of(peer), socket_->network);
  socket->remote = peer;
  if (const int error = socket->fd.init()) {
    return Error::system(error, describe("accept", socket_.get()));
  }
  return finish(std::move(socket), fd);
}

Status Listener::set_deadline(TimePoint deadline) {
  return set_deadline_of(socket_.get(), true, false, deadline);
}

Status Listener::close() {
  if (!socket_) return closed_error("close");
  const IoResult result = socket_->fd.close();
  if (result.ok() && !socket_->unlink_path.empty()) {
    // Gone already, or somebody else's by now: not an error of closing.
    (void)rt::blocking_syscall(SYS_unlink, socket_->unlink_path.c_str());
  }
  return status_of(result, "close", socket_.get());
}

Address Listener::address() const { return socket_ ? rt::printable(local_of(*socket_)) : Address{}; }

// ---- Conn -------------------------------------------------------------------------------------

Result<size_t> Conn::read(void* to, size_t size) {
  if (!socket_) return closed_error("read");
  return count_of(socket_->fd.read(to, size), "read", socket_.get());
}

Status Conn::read_full(void* to, size_t size) {
  if (!socket_) return closed_error("read");
  for (size_t done = 0; done < size;) {
    const IoResult got = socket_->fd.read(static_cast<char*>(to) + done, size - done);
    if (!got.ok()) return error_of(got, describe("read", socket_.get()));
    if (got.n == 0) return Error(ErrorKind::end_of_file, 0, describe("read", socket_.get()));
    done += static_cast<size_t>(got.n);
  }
  return {};
}

Result<size_t> Conn::write(const void* from, size_t size) {
  if (!socket_) return closed_error("write");
  return count_of(socket_->fd.write_some(from, size), "write", socket_.get());
}

Status Conn::write_all(const void* from, size_t size) {
  if (!socket_) return closed_error("write");
  return status_of(socket_->fd.write(from, size), "write", socket_.get());
}

Status Conn::write_parts(std::span<const std::string_view> parts) {
  if (!socket_) return closed_error("write");
  std::vector<iovec> vectors;
  vectors.reserve(parts.size());
  for (std::string_view part : parts) {
    vectors.push_back({const_cast<char*>(part.data()), part.size()});
  }
  return status_of(socket_->fd.writev(vectors), "write", socket_.get());
}

Status Conn::close() {
  if (!socket_) return closed_error("close");
  return status_of(socket_->fd.close(), "close", socket_.get());
}

Status Conn::close_write() {
  if (!socket_) return closed_error("close");
  return status_of(socket_->fd.shutdown(SHUT_WR), "close write side", socket_.get());
}

Status Conn::close_read() {
  if (!socket_) return closed_error("close");
  return status_of(socket_->fd.shutdown(SHUT_RD), "close read side", socket_.get());
}

Status Conn::set_deadline(TimePoint deadline) {
  return set_deadline_of(socket_.get(), true, true, deadline);
}
Status Conn::set_read_deadline(TimePoint deadline) {
  return set_deadline_of(socket_.get(), true, false, deadline);
}
Status Conn::set_write_deadline(TimePoint deadline) {
  return set_deadline_of(socket_.get(), false, true, deadline);
}

Status Conn::set_no_delay(bool on) {
  return set_option_of(socket_.get(), IPPROTO_TCP, TCP_NODELAY, on);
}
Status Conn::set_keep_alive(bool on) {
  return set_option_of(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, on);
}
Status Conn::set_read_buffer(size_t bytes) {
  return set_option_of(socket_.get(), SOL_SOCKET, SO_RCVBUF, static_cast<int>(bytes));
}
Status Conn::set_write_buffer(size_t bytes) {
  return set_option_of(socket_.get(), SOL_SOCKET, SO_SNDBUF, static_cast<int>(bytes));
}

Address Conn::local_address() const {
  return socket_ ? rt::printable(local_of(*socket_)) : Address{};
}
Address Conn::remote_address() const { return socket_ ? rt::printable(socket_->remote) : Address{}; }

}  // namespace reprise::net
