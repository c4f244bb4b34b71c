// reprise-bench-echo-client PORT CONNECTIONS REQUESTS: a client of its own for echo servers: plain system calls, one
// thread, no runtime.
//
// Every connection has one message of 64 bytes under way: it is written, read back whole and compared, then the next
// follows. Prints {"requests":…,"wall_ns":…}. Status 1: what came back was not what was sent, or the connection broke.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

constexpr size_t kMessage = 64;

struct Connection {
  int fd = -1;
  size_t received = 0;
  char sent[kMessage], back[kMessage];
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "echo client: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t now_ns() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_next(Connection& c, long number) {
  std::memset(c.sent, 0, sizeof c.sent);
  std::snprintf(c.sent, sizeof c.sent, "message %ld of connection %d", number, c.fd);
  c.received = 0;
  if (write(c.fd, c.sent, kMessage) != static_cast<ssize_t>(kMessage)) fail("write");
}

// True: the answer is complete, and right.
bool receive(Connection& c) {
  const ssize_t n = read(c.fd, c.back + c.received, kMessage - c.received);
  if (n <= 0) fail("read");
  c.received += static_cast<size_t>(n);
  if (c.received < kMessage) return false;
  if (std::memcmp(c.sent, c.back, kMessage) != 0) {
    std::fprintf(stderr, "echo client: another message came back\n");
    std::exit(1);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const long port = argc == 4 ? std::atol(argv[1]) : 0, count = argc == 4 ? std::atol(argv[2]) : 0;
  const long requests = argc == 4 ? std::atol(argv[3]) : 0;
  if (port <= 0 || count <= 0 || requests < count) {
    return std::fprintf(stderr, "usage: reprise-bench-echo-client PORT CONNECTIONS REQUESTS\n"), 64;
  }
  const int epfd = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(static_cast<size_t>(count));
  for (Connection& c : all) {
    c.fd = connect_to(static_cast<int>(port));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &c;
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, c.fd, &event) != 0) fail("epoll_ctl");
  }
  const int64_t begun = now_ns();
  long sent = 0, done = 0;
  for (Connection& c : all) send_next(c, sent++);
  std::vector<epoll_event> events(1024);
  while (done < requests) {
    const int n = epoll_wait(epfd, events.data(), static_cast<int>(events.size()), -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      Connection& c = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
      if (!receive(c)) continue;
      ++done;
      if (sent < requests) send_next(c, sent++);
    }
  }
  std::printf("{\"requests\":%ld,\"wall_ns\":%lld}\n", done, static_cast<long long>(now_ns() - begun));
  return 0;
}
