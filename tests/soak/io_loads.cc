// Sockets over TCP and Unix paths, pipes, files and other blocking calls.
#include <reprise/reprise.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/soak/loads.h"

namespace reprise::soak {

namespace {

using std::chrono::milliseconds;

std::atomic<uint64_t> next_name{0};

std::string fresh_name(const char* kind) {
  return std::string(kind) + std::to_string(getpid()) + "." +
         std::to_string(next_name.fetch_add(1, std::memory_order_relaxed));
}

void serve(net::Conn conn) {
  char buffer[4096];
  for (;;) {
    const auto n = conn.read(buffer);
    if (!n.ok() || *n == 0) break;
    if (!conn.write_all(buffer, *n).ok()) break;
  }
  (void)conn.close();
}

// What was sent must come back; then half of the clients hang up politely, half just close.
void converse(Tally& tally, const net::Address& server, uint64_t seed) {
  Random random(seed);
  auto dialed = net::dial(server.network, server.text);
  tally.check(dialed.ok());
  if (!dialed.ok()) return;
  net::Conn conn = *dialed;
  const uint64_t messages = 1 + random.below(8);
  for (uint64_t i = 0; i < messages; ++i) {
    std::string sent(1 + random.below(9000), static_cast<char>('a' + random.below(26)));
    tally.enter();
    WaitGroup written(1);
    go([conn, &sent, written]() mutable {
      (void)conn.write_all(sent);
      written.done();
    });
    std::string got(sent.size(), '\0');
    const bool read = conn.read_full(got.data(), got.size()).ok();
    written.wait();
    tally.check(read && got == sent);
    tally.leave();
  }
  if (random.below(2) == 0) {
    (void)conn.close_write();
    char end;
    const auto n = conn.read(&end, 1);
    tally.check(n.ok() && *n == 0);
  } else {
    (void)conn.set_read_deadline(now() + milliseconds(1));
    char nothing;
    tally.check(!conn.read(&nothing, 1).ok());
  }
  (void)conn.close();
}

void echo_over(net::Listener listener, Tally& tally, Random& random) {
  WaitGroup servers(1), clients;
  go([listener, servers]() mutable {
    for (;;) {
      auto conn = listener.accept();
      if (!conn.ok()) break;
      servers.add(1);
      go([accepted = *conn, servers]() mutable {
        serve(std::move(accepted));
        servers.done();
      });
    }
    servers.done();
  });
  for (int i = 0; i < 6; ++i) {
    clients.add(1);
    go([&tally, clients, at = listener.address(), seed = random.next()]() mutable {
      converse(tally, at, seed);
      clients.done();
    });
  }
  clients.wait();
  (void)listener.close();
  servers.wait();
}

void tcp(Tally& tally, Random& random) {
  auto listener = net::listen("tcp", "127.0.0.1:0");
  tally.check(listener.ok());
  if (listener.ok()) echo_over(*listener, tally, random);
}

void unix_sockets(Tally& tally, Random& random) {
  auto listener = net::listen("unix", fresh_name("@reprise-soak-"));
  tally.check(listener.ok());
  if (listener.ok()) echo_over(*listener, tally, random);
}

// A read that waits is ended by a close from elsewhere.
void pipes(Tally& tally, Random& random) {
  WaitGroup all;
  for (int i = 0; i < 6; ++i) {
    tally.enter();
    all.add(1);
    go([&tally, all, n = random.next()]() mutable {
      auto pipe = os::pipe();
      tally.check(pipe.ok());
      if (pipe.ok()) {
        WaitGroup reader(1);
        go([from = pipe->reader, reader, &tally, n]() mutable {
          char buffer[512];
          uint64_t total = 0;
          for (auto got = from.read(buffer); got.ok() && *got > 0; got = from.read(buffer)) total += *got;
          tally.check(n % 2 != 0 || total == n % 20000);
          reader.done();
        });
        if (n % 2 == 0) (void)pipe->writer.write_all(std::string(n % 20000, 'x'));
        if (n % 2 != 0) (void)pipe->reader.close();
        (void)pipe->writer.close();
        reader.wait();
        (void)pipe->reader.close();
      }
      tally.leave();
      all.done();
    });
  }
  all.wait();
}

void files(Tally& tally, Random& random) {
  WaitGroup all;
  for (int i = 0; i < 4; ++i) {
    tally.enter();
    all.add(1);
    go([&tally, all, n = random.next()]() mutable {
      const char* tmp = ::getenv("TMPDIR");
      const std::string path =
          std::string(tmp != nullptr ? tmp : "/tmp") + "/" + fresh_name("reprise-soak-");
      const std::string text(n % 30000, static_cast<char>('A' + n % 26));
      tally.check(os::write_file(path, text).ok());
      const auto back = os::read_file(path);
      tally.check(back.ok() && *back == text);
      const auto info = os::stat(path);
      tally.check(info.ok() && info->size == static_cast<int64_t>(text.size()));
      tally.check(os::remove(path).ok());
      tally.check(!os::stat(path).ok());
      tally.leave();
      all.done();
    });
  }
  all.wait();
}

constexpr Load kLoads[] = {{"tcp", tcp}, {"unix", unix_sockets}, {"pipes", pipes}, {"files", files}};

}  // namespace

std::span<const Load> io_loads() { return kLoads; }

}  // namespace reprise::soak
