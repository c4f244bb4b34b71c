// requests [REQUESTS]: a server and its fifty clients in one process, over Unix sockets: REQUESTS
// (100,000) requests of 45 bytes, each answered with 7. The records are those of kvd under
// redis-benchmark, without a second process whose timing would change their number: what recording
// costs a record is seen in few runs. What tools/bench/record_cost.py records.
#include <reprise/reprise.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

constexpr int kClients = 50;
constexpr char kRequest[] = "*2\r\n$4\r\nINCR\r\n$20\r\ncounter:__rand_int_\r\n";
constexpr char kAnswer[] = ":1234\r\n";
constexpr size_t kRequestBytes = sizeof kRequest - 1, kAnswerBytes = sizeof kAnswer - 1;

struct Counter {
  reprise::Mutex mutex;
  long value = 0;
};

void serve(reprise::net::Conn conn, Counter& counter) {
  char buffer[256];
  while (conn.read_full(buffer, kRequestBytes).ok()) {
    {
      const std::lock_guard guard(counter.mutex);
      ++counter.value;
    }
    if (!conn.write_all(kAnswer, kAnswerBytes).ok()) return;
  }
}

void ask(const std::string& address, int requests) {
  auto conn = reprise::net::dial("unix", address);
  if (!conn.ok()) std::abort();
  char answer[kAnswerBytes];
  for (int i = 0; i < requests; ++i) {
    if (!conn->write_all(kRequest, kRequestBytes).ok() || !conn->read_full(answer, kAnswerBytes).ok()) std::abort();
  }
}

}  // namespace

int app(int argc, char** argv) {
  const int requests = argc > 1 ? std::atoi(argv[1]) : 100000;
  const std::string address = "@reprise-bench-requests-" + std::to_string(getpid());
  auto listener = reprise::net::listen("unix", address);
  if (!listener.ok()) return 1;
  Counter counter;
  reprise::WaitGroup running;
  for (int i = 0; i < kClients; ++i) {
    running.add(2);
    reprise::go([&]() mutable {
      ask(address, requests / kClients);
      running.done();
    });
    reprise::go([&, conn = listener->accept()]() mutable {
      if (!conn.ok()) std::abort();
      serve(*conn, counter);
      running.done();
    });
  }
  running.wait();
  std::printf("%ld\n", counter.value);
  return 0;
}
REPRISE_MAIN(app)
