// kvd and clients of it in one process, for a simulated world: the server is a goroutine, and the clients use
// libc's calls only, as a program does that knows nothing of Reprise.
//
//   reprise run --world simulated -- build/corpus/kvd_libc
//
// Two clients increment the same key once; then a third one asks for it. With kvd's bug it is 1 in some runs.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include <reprise/main.h>
#include <reprise/reprise.h>
#include <reprise/sim.h>

#include "corpus/programs/kvd/server.h"

namespace {

using namespace std::chrono_literals;

constexpr uint16_t kPort = 7379;
constexpr std::string_view kIncrement = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
constexpr std::string_view kGet = "*2\r\n$3\r\nGET\r\n$1\r\nn\r\n";

int connect_to_server() {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
    close(fd);
    usleep(1000);  // the server may not listen yet
  }
  return -1;
}

// What comes within a second of virtual time, up to the end of a reply of one or two lines.
std::string ask(std::string_view request) {
  const int fd = connect_to_server();
  if (fd < 0 || send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return "no server";
  std::string reply;
  pollfd readable{fd, POLLIN, 0};
  const size_t lines = request == kGet ? 2 : 1;
  size_t ends = 0;
  char byte;
  while (ends < lines && poll(&readable, 1, 1000) == 1 && recv(fd, &byte, 1, 0) == 1) {
    if (byte == '\n') ++ends;
    if (byte != '\r' && byte != '\n') reply += byte;
    if (byte == '\n' && ends < lines) reply.clear();
  }
  shutdown(fd, SHUT_WR);
  close(fd);
  return reply;
}

int app(int, char**) {
  if (!reprise::sim::active()) {
    std::fprintf(stderr, "kvd_libc: start it by `reprise run --world simulated`\n");
    return 64;
  }
  kvd::Server server({.port = kPort});
  reprise::WaitGroup serving, clients;
  serving.add();
  reprise::go([&server, serving]() mutable {
    server.run();
    serving.done();
  });
  for (int i = 0; i < 2; ++i) {
    clients.add();
    reprise::go([clients]() mutable {
      ask(kIncrement);
      clients.done();
    });
  }
  clients.wait();
  const std::string value = ask(kGet);
  std::printf("n = %s\n", value.c_str());
  server.stop();
  serving.wait();
  return value == "2" ? 0 : 1;
}

}  // namespace

REPRISE_MAIN(app)
