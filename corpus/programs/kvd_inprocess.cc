// kvd with its clients inside: a whole program that checks itself, for `reprise fuzz`.
//
// Two client goroutines increment one counter over a Unix socket of the process's own, then main asks for its
// value. kvd loses increments in some schedules (corpus/programs/kvd/store.h); built as kvd_inprocess_fixed
// it does not.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "corpus/programs/kvd/server.h"

namespace {

constexpr int kClients = 2;
constexpr int kIncrements = 2;  // each

reprise::net::Conn dial(const std::string& address) {
  for (;;) {
    auto conn = reprise::net::dial("unix", address);
    if (conn) return *std::move(conn);
    reprise::sleep_for(std::chrono::milliseconds(1));  // the server is not there yet
  }
}

// Sends a request and returns the first line of the answer.
std::string ask(reprise::net::Conn& conn, const std::string& request) {
  if (!conn.write_all(request)) return "";
  char answer[256];
  size_t size = 0;
  while (size < sizeof answer && (size == 0 || answer[size - 1] != '\n')) {
    auto got = conn.read(answer + size, sizeof answer - size);
    if (!got || *got == 0) break;
    size += *got;
  }
  return std::string(answer, size);
}

void increment(const std::string& address) {
  reprise::net::Conn conn = dial(address);
  for (int i = 0; i < kIncrements; ++i) ask(conn, "INCR counter\r\n");
  (void)conn.close();
}

int app(int, char**) {
  const std::string address = "@kvd-inprocess-" + std::to_string(getpid());
  // Never destroyed, as in kvd.cc.
  kvd::Server& server = *new kvd::Server({.unix_path = address});
  reprise::WaitGroup serving(1), clients(kClients);
  reprise::go([&server, serving]() mutable {
    server.run();
    serving.done();
  });
  for (int i = 0; i < kClients; ++i) {
    reprise::go([address, clients]() mutable {
      increment(address);
      clients.done();
    });
  }
  clients.wait();
  reprise::net::Conn conn = dial(address);
  const std::string answer = ask(conn, "GET counter\r\n");
  (void)conn.close();
  server.stop();
  serving.wait();
  const std::string expected = "$1\r\n" + std::to_string(kClients * kIncrements) + "\r\n";
  if (answer == expected) return 0;
  std::fprintf(stderr, "kvd_inprocess: increments were lost\n");
  return 1;
}

}  // namespace

REPRISE_MAIN(app)
