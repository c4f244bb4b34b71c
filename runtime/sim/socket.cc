// What TCP and Unix stream sockets share: options, and the end of a stream for its writer.
#include "runtime/sim/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "runtime/sys/syscall.h"

namespace reprise::sim {

namespace {

constexpr size_t kShrinkAbove = 64 << 10;

// Options that are kept and told, and have no effect here or one that is looked up.
bool plain_option(int level, int name) {
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_REUSEADDR: case SO_REUSEPORT: case SO_KEEPALIVE: case SO_BROADCAST: case SO_OOBINLINE:
      case SO_PRIORITY: case SO_DONTROUTE: case SO_INCOMING_CPU: case SO_ZEROCOPY: return true;
      default: return false;
    }
  }
  if (level == IPPROTO_TCP) {
    switch (name) {
      case TCP_NODELAY: case TCP_CORK: case TCP_KEEPIDLE: case TCP_KEEPINTVL: case TCP_KEEPCNT:
      case TCP_DEFER_ACCEPT: case TCP_QUICKACK: case TCP_USER_TIMEOUT: case TCP_MAXSEG: return true;
      default: return false;
    }
  }
  if (level == IPPROTO_IPV6) return name == IPV6_V6ONLY;
  return level == IPPROTO_IP && (name == IP_TOS || name == IP_TTL);
}

bool truth_value(int level, int name) {
  return (level == SOL_SOCKET && name != SO_PRIORITY && name != SO_INCOMING_CPU) ||
         (level == IPPROTO_TCP && (name == TCP_NODELAY || name == TCP_CORK)) ||
         (level == IPPROTO_IPV6 && name == IPV6_V6ONLY);
}

template <class T>
long give(const T& value, void* to, socklen_t* size) {
  *size = std::min<socklen_t>(*size, sizeof value);
  std::memcpy(to, &value, *size);
  return 0;
}

std::string option_text(int level, int name) {
  return "level " + std::to_string(level) + ", option " + std::to_string(name);
}

long take_timeout(const void* value, socklen_t size, int64_t* timeout_ns) {
  timeval time;
  if (size < sizeof time) return -EINVAL;
  std::memcpy(&time, value, sizeof time);
  if (time.tv_usec < 0 || time.tv_usec >= 1'000'000) return -EDOM;
  const int64_t ns = time.tv_sec * 1'000'000'000 + time.tv_usec * 1000;
  *timeout_ns = ns == 0 ? kForever : std::max<int64_t>(ns, 0);
  return 0;
}

timeval timeval_of(int64_t timeout_ns) {
  if (timeout_ns == kForever) return {};
  return {timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000 / 1000};
}

}  // namespace

void ByteQueue::consume(size_t size) {
  head_ += size;
  if (head_ < bytes_.size() && head_ < kShrinkAbove) return;
  bytes_.erase(0, head_);
  head_ = 0;
}

long Socket::broken_pipe(int send_flags) {
  if (error != 0 && error != EPIPE) return take_error();
  error = 0;
  if ((send_flags & MSG_NOSIGNAL) == 0) {
    rt::sys::call(SYS_tgkill, rt::sys::call(SYS_getpid), rt::sys::call(SYS_gettid), SIGPIPE);
  }
  return -EPIPE;
}

size_t Socket::buffer_of(int option_name) const {
  const auto found = options_.find({SOL_SOCKET, option_name});
  return found == options_.end() ? kDefaultBuffer : static_cast<size_t>(found->second);
}

bool Socket::flag(int level, int option_name) const {
  const auto found = options_.find({level, option_name});
  return found != options_.end() && found->second != 0;
}

long Socket::option(int level, int option_name, void* value, socklen_t* size) {
  if (level == SOL_SOCKET) {
    switch (option_name) {
      case SO_ERROR: return give(static_cast<int>(-take_error()), value, size);
      case SO_TYPE: return give(int{SOCK_STREAM}, value, size);
      case SO_DOMAIN: return give(domain, value, size);
      case SO_PROTOCOL: return give(protocol(), value, size);
      case SO_ACCEPTCONN: return give(int{listens()}, value, size);
      case SO_SNDBUF: case SO_RCVBUF: return give(static_cast<int>(buffer_of(option_name)), value, size);
      case SO_RCVTIMEO: return give(timeval_of(receive_timeout_ns), value, size);
      case SO_SNDTIMEO: return give(timeval_of(send_timeout_ns), value, size);
      case SO_LINGER: {
        const auto found = options_.find({SOL_SOCKET, SO_LINGER});
        const linger kept{found != options_.end(), found != options_.end() ? found->second : 0};
        return give(kept, value, size);
      }
      default: break;
    }
  }
  if (!plain_option(level, option_name)) unsupported("getsockopt", option_text(level, option_name));
  const auto found = options_.find({level, option_name});
  return give(found == options_.end() ? 0 : found->second, value, size);
}

long Socket::set_option(int level, int option_name, const void* value, socklen_t size) {
  if (level == SOL_SOCKET && option_name == SO_RCVTIMEO) return take_timeout(value, size, &receive_timeout_ns);
  if (level == SOL_SOCKET && option_name == SO_SNDTIMEO) return take_timeout(value, size, &send_timeout_ns);
  if (level == SOL_SOCKET && option_name == SO_LINGER) {
    linger wanted;
    if (size < sizeof wanted) return -EINVAL;
    std::memcpy(&wanted, value, sizeof wanted);
    options_.erase({level, option_name});
    if (wanted.l_onoff != 0) options_[{level, option_name}] = wanted.l_linger;
    return 0;
  }
  int number;
  if (size < sizeof number) return -EINVAL;
  std::memcpy(&number, value, sizeof number);
  if (level == SOL_SOCKET && (option_name == SO_SNDBUF || option_name == SO_RCVBUF)) {
    // The kernel doubles what it is asked for, within limits.
    const int least = option_name == SO_SNDBUF ? 4608 : 2304;
    options_[{level, option_name}] = std::max(2 * std::clamp(number, 0, int{kDefaultBuffer}), least);
    return 0;
  }
  if (!plain_option(level, option_name)) unsupported("setsockopt", option_text(level, option_name));
  options_[{level, option_name}] = truth_value(level, option_name) ? int{number != 0} : number;
  return 0;
}

}  // namespace reprise::sim
