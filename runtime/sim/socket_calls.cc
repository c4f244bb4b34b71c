// System calls on sockets.
#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "runtime/sim/calls.h"
#include "runtime/sim/socket.h"

namespace reprise::sim {

namespace {

// Flags of send and recv that are served, or that change nothing here.
constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE | MSG_EOR;
constexpr int kReceiveFlags = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC;

std::shared_ptr<Socket> socket_of(int fd) {
  const FileRef file = file_of(fd);
  Socket* socket = file->socket();
  return socket != nullptr ? std::shared_ptr<Socket>(file, socket) : nullptr;
}

int flags_of_type(int type) { return (type & SOCK_NONBLOCK) | 2 /* O_RDWR */; }

void refuse_flags(const Call& call, int flags, int served) {
  if ((flags & ~served) != 0) unsupported(call.name, "flags " + std::to_string(flags & ~served));
}

long tell_name(Socket& socket, bool peer, sockaddr* to, socklen_t* size) {
  sockaddr_storage name{};
  long bad = 0;
  const socklen_t length = socket.name(peer, &name, &bad);
  if (bad < 0) return bad;
  std::memcpy(to, &name, std::min(*size, length));
  *size = length;
  return 0;
}

long send_some(Socket& socket, Buffers& from, int flags) {
  const bool at_once = socket.nonblocking() || (flags & MSG_DONTWAIT) != 0;
  const int64_t until = moment_after(socket.send_timeout_ns);
  long done = 0;
  do {
    const long sent = until_ready(socket, at_once, until, [&] { return socket.send(from, flags); });
    if (sent < 0) return done != 0 ? done : sent;
    done += sent;
  } while (from.size() != 0 && !at_once);
  return done;
}

long receive_some(Socket& socket, Buffers& to, int flags) {
  const bool at_once = socket.nonblocking() || (flags & MSG_DONTWAIT) != 0;
  const bool all = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0;
  const int64_t until = moment_after(socket.receive_timeout_ns);
  long done = 0;
  do {
    const long got = until_ready(socket, at_once, until, [&] { return socket.receive(to, flags); });
    if (got < 0) return done != 0 ? done : got;
    if (got == 0) return done;
    done += got;
  } while (all && to.size() != 0);
  return done;
}

long accept_with(const Call& call, int flags) {
  const auto listener = socket_of(call.fd(0));
  if (listener == nullptr) return -ENOTSOCK;
  if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return -EINVAL;
  FileRef accepted;
  const long result = until_ready(*listener, listener->nonblocking(), moment_after(listener->receive_timeout_ns), [&] {
    long bad = 0;
    accepted = listener->accept(&bad);
    return bad;
  });
  if (result < 0) return result;
  accepted->flags = flags_of_type(flags);
  if (auto* to = call.at<sockaddr>(1)) {
    const long bad = tell_name(*accepted->socket(), true, to, call.at<socklen_t>(2));
    if (bad == -ENOTCONN) *call.at<socklen_t>(2) = 0;  // gone already: the connection tells
  }
  return install(accepted, (flags & SOCK_CLOEXEC) != 0);
}

}  // namespace

long do_socket(const Call& call) {
  const int domain = call.number(0), type = call.number(1) & 0xf;
  const int protocol = call.number(2);
  if (domain == AF_NETLINK) return -EAFNOSUPPORT;  // libc asks which addresses there are, and goes on
  if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX) {
    unsupported("socket", "family " + std::to_string(domain));
  }
  if (type != SOCK_STREAM) unsupported("socket", "only streams; type " + std::to_string(type));
  if (domain != AF_UNIX && protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
  FileRef made = domain == AF_UNIX ? new_unix_socket() : new_tcp_socket(domain);
  made->flags = flags_of_type(call.number(1));
  return install(std::move(made), (call.number(1) & SOCK_CLOEXEC) != 0);
}

long do_socketpair(const Call& call) {
  if (call.number(0) != AF_UNIX) return -EOPNOTSUPP;
  if ((call.number(1) & 0xf) != SOCK_STREAM) unsupported("socketpair", "only streams");
  FileRef ends[2];
  new_unix_pair(ends);
  int* const fds = call.at<int>(3);
  for (int i = 0; i < 2; ++i) {
    ends[i]->flags = flags_of_type(call.number(1));
    fds[i] = install(std::move(ends[i]), (call.number(1) & SOCK_CLOEXEC) != 0);
  }
  return 0;
}

long do_bind(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  return socket != nullptr ? socket->bind(call.at<sockaddr>(1), static_cast<socklen_t>(call.args[2])) : -ENOTSOCK;
}

long do_listen(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  return socket != nullptr ? socket->listen(call.number(1)) : -ENOTSOCK;
}

long do_accept(const Call& call) { return accept_with(call, 0); }
long do_accept4(const Call& call) { return accept_with(call, call.number(3)); }

long do_connect(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  const auto* address = call.at<sockaddr>(1);
  const auto size = static_cast<socklen_t>(call.args[2]);
  const long begun = socket->connect(address, size);
  if (socket->nonblocking() || (begun != -EINPROGRESS && begun != -EAGAIN)) return begun;
  const long result = until_ready(*socket, false, moment_after(socket->send_timeout_ns), [&] {
    const long now = socket->connect(address, size);
    return now == -EALREADY ? -EAGAIN : now;
  });
  return result == -EAGAIN && begun == -EINPROGRESS ? -EINPROGRESS : result;
}

long do_getsockname(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  return socket != nullptr ? tell_name(*socket, false, call.at<sockaddr>(1), call.at<socklen_t>(2)) : -ENOTSOCK;
}

long do_getpeername(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  return socket != nullptr ? tell_name(*socket, true, call.at<sockaddr>(1), call.at<socklen_t>(2)) : -ENOTSOCK;
}

long do_getsockopt(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  return socket->option(call.number(1), call.number(2), call.at<void>(3), call.at<socklen_t>(4));
}

long do_setsockopt(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  return socket->set_option(call.number(1), call.number(2), call.at<void>(3), static_cast<socklen_t>(call.args[4]));
}

long do_shutdown(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  return socket != nullptr ? socket->shutdown(call.number(1)) : -ENOTSOCK;
}

long do_sendto(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  refuse_flags(call, call.number(3), kSendFlags);
  Buffers from(call.at<void>(1), call.size(2));
  return send_some(*socket, from, call.number(3));
}

long do_recvfrom(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  refuse_flags(call, call.number(3), kReceiveFlags);
  Buffers to(call.at<void>(1), call.size(2));
  const long got = receive_some(*socket, to, call.number(3));
  if (got >= 0 && call.at<sockaddr>(4) != nullptr) *call.at<socklen_t>(5) = 0;  // a stream names nobody
  return got;
}

long do_sendmsg(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  refuse_flags(call, call.number(2), kSendFlags);
  const auto* message = call.at<msghdr>(1);
  if (message->msg_controllen != 0) unsupported("sendmsg", "control messages");
  Buffers from(std::span<const iovec>(message->msg_iov, message->msg_iovlen));
  return send_some(*socket, from, call.number(2));
}

long do_recvmsg(const Call& call) {
  const auto socket = socket_of(call.fd(0));
  if (socket == nullptr) return -ENOTSOCK;
  refuse_flags(call, call.number(2), kReceiveFlags);
  auto* message = call.at<msghdr>(1);
  Buffers to(std::span<const iovec>(message->msg_iov, message->msg_iovlen));
  const long got = receive_some(*socket, to, call.number(2));
  if (got < 0) return got;
  message->msg_namelen = 0;
  message->msg_controllen = 0;
  message->msg_flags = 0;
  return got;
}

}  // namespace reprise::sim
