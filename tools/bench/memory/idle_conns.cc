// Many idle connections: what each costs the server, and how long it takes to wake them all.
//
//   idle_conns [--connections N] [--addresses K] [--rounds R] [--servers S]
//
// The server is this process: a goroutine a connection, each parked in a read; start it with
// REPRISE_MAXPROCS=4 for four threads. The client is a process of its own, plain system calls on one
// thread, with its connections spread over K loopback source addresses (127.0.0.2 and up), because one
// has no more than some 28,000 ports. It sends a byte on every connection and waits for all answers;
// the limits on descriptors are raised, and where the system refuses there are fewer connections.
// With --servers S there are S servers of N/S connections, each with a client of its own, and none begins
// its rounds before all connections stand: for machines whose limit is below N.
//
// Prints the server's memory for a connection (resident, and with page tables), its threads, and for
// each round the time from the client's first byte to the last answer. The kernel's own memory for
// sockets is not in it.
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <reprise/reprise.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "tools/bench/memory/status.h"

extern char** environ;

namespace reprise::bench {

namespace {

struct Options {
  size_t connections = 100'000;
  unsigned addresses = 8;
  int rounds = 3;
  int port = 0;     // client
  int servers = 1;
  bool waits = false;  // one of several servers: waits for a byte on stdin before its rounds
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "idle_conns: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

// Raises the limit on descriptors to what `connections` need; how many connections it then allows.
size_t raise_descriptor_limit(size_t connections) {
  constexpr size_t kOthers = 256;
  const size_t wanted = connections + kOthers;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return connections;
  const rlimit higher{wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};
  if (setrlimit(RLIMIT_NOFILE, &higher) == 0) return connections;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max >= wanted ? connections : limit.rlim_max - kOthers;
}

double seconds_now() {
  timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
}

// ---- the client ----------------------------------------------------------------------------------

int connect_from(unsigned source, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("bind");
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("connect");
  return fd;
}

// A byte to each, then an answer from each. Seconds.
double wake_all(const std::vector<int>& fds, int epfd) {
  const double begun = seconds_now();
  for (const int fd : fds) {
    if (write(fd, "x", 1) != 1) fail("write");
  }
  std::vector<epoll_event> events(1024);
  for (size_t answered = 0; answered < fds.size();) {
    const int n = epoll_wait(epfd, events.data(), static_cast<int>(events.size()), -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      char byte;
      if (read(events[static_cast<size_t>(i)].data.fd, &byte, 1) != 1) fail("read");
      ++answered;
    }
  }
  return seconds_now() - begun;
}

// Reads a line for each step from the server; writes one for each answer.
int run_client(const Options& options) {
  raise_descriptor_limit(options.connections);
  const int epfd = epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> fds;
  for (size_t i = 0; i < options.connections; ++i) {
    const int fd = connect_from(static_cast<unsigned>(i % options.addresses), options.port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    fds.push_back(fd);
  }
  for (int round = 0; round < options.rounds; ++round) {
    char go_on;
    if (read(STDIN_FILENO, &go_on, 1) != 1) return 1;
    char line[32];
    const int length = std::snprintf(line, sizeof line, "%.6f\n", wake_all(fds, epfd));
    if (write(STDOUT_FILENO, line, static_cast<size_t>(length)) != length) fail("report");
  }
  return 0;
}

// ---- the server ----------------------------------------------------------------------------------

void echo(net::Conn conn) {
  char byte;
  while (true) {
    const auto n = conn.read(&byte, 1);
    if (!n.ok() || *n == 0) break;
    if (!conn.write_all(&byte, 1).ok()) break;
  }
  (void)conn.close();
}

struct Client {
  pid_t pid = -1;
  int to = -1, from = -1;
};

// This program once more, with its stdin and stdout in our hands.
Client start(std::vector<std::string> words) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) fail("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  words.insert(words.begin(), "idle_conns");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Client client;
  const int error = posix_spawn(&client.pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("posix_spawn");
  close(to[0]);
  close(from[1]);
  client.to = to[1];
  client.from = from[0];
  return client;
}

Client start_client(const Options& options, int port) {
  return start({"--client", std::to_string(port), "--connections", std::to_string(options.connections),
                "--addresses", std::to_string(options.addresses), "--rounds",
                std::to_string(options.rounds)});
}

// One round at a time: tells the client, reads its figure. On a worker thread meanwhile.
double ask_for_round(const Client& client) {
  os::File to = *os::open("/proc/self/fd/" + std::to_string(client.to), O_WRONLY);
  os::File from = *os::open("/proc/self/fd/" + std::to_string(client.from), O_RDONLY);
  if (!to.write_all("g", 1).ok()) fail("client");
  std::string line;
  for (char byte = 0; byte != '\n'; line += byte) {
    if (!from.read_full(&byte, 1).ok()) fail("client ended");
  }
  return std::atof(line.c_str());
}

// Several servers: until the others stand too.
void await_the_others() {
  std::fflush(stdout);
  os::File in = *os::open("/proc/self/fd/0", O_RDONLY);
  char go_on;
  if (!in.read_full(&go_on, 1).ok()) fail("the other servers");
}

int run_server(Options options) {
  const size_t allowed = raise_descriptor_limit(options.connections);
  if (allowed != options.connections) {
    std::fprintf(stderr, "the limit on descriptors cannot be raised further: %zu connections, not %zu\n", allowed,
                options.connections);
    options.connections = allowed;
  }
  net::Listener listener = *net::listen("tcp", "127.0.0.1:0");
  const Memory before = measure();
  const TimePoint begun = now();
  const Client client = start_client(options, listener.address().port);
  WaitGroup all;
  for (size_t i = 0; i < options.connections; ++i) {
    auto conn = listener.accept();
    if (!conn.ok()) fail(conn.error().message().c_str());
    all.add(1);
    go([accepted = *std::move(conn), all]() mutable {
      echo(std::move(accepted));
      all.done();
    });
  }
  const double accepting = std::chrono::duration<double>(now() - begun).count();
  sleep_for(std::chrono::milliseconds(200));
  const Memory after = measure();
  const double n = static_cast<double>(options.connections);
  const double resident = static_cast<double>(after.resident_kib - before.resident_kib) * 1024 / n;
  const double tables = static_cast<double>(after.page_tables_kib - before.page_tables_kib) * 1024 / n;
  std::printf("%zu connections in %.2f s; %ld threads at %d Ps; a connection takes %.0f bytes resident"
              " and %.0f of page tables\n", options.connections, accepting, after.threads,
              gomaxprocs(), resident, tables);
  if (options.waits) await_the_others();
  for (int round = 1; round <= options.rounds; ++round) {
    const double took = ask_for_round(client);
    std::printf("round %d: all woken and answered in %.3f s, %.2f us each\n", round, took, took / n * 1e6);
  }
  close(client.to);
  close(client.from);
  int status = 0;
  waitpid(client.pid, &status, 0);
  all.wait();
  const Memory last = measure();
  std::printf("closed: %lu goroutines, %ld threads\n", num_goroutine(), last.threads);
  return status == 0 ? 0 : 1;
}

// Passes on what a server says, up to `lines` lines; 0: to the end. False: it ended before.
bool pass_on(const Client& server, int index, int lines) {
  std::string line;
  for (int seen = 0; lines == 0 || seen < lines;) {
    char byte;
    if (read(server.from, &byte, 1) != 1) return lines == 0;
    line += byte;
    if (byte != '\n') continue;
    std::printf("server %d: %s", index, line.c_str());
    line.clear();
    ++seen;
  }
  return true;
}

int run_fleet(const Options& options) {
  std::vector<Client> servers;
  const size_t each = options.connections / static_cast<size_t>(options.servers);
  for (int i = 0; i < options.servers; ++i) {
    servers.push_back(start({"--connections", std::to_string(each), "--addresses",
                             std::to_string(options.addresses), "--rounds",
                             std::to_string(options.rounds), "--waits", "1"}));
  }
  bool good = true;
  for (int i = 0; i < options.servers; ++i) good = pass_on(servers[static_cast<size_t>(i)], i, 1) && good;
  std::printf("%d servers have %zu connections each: the rounds begin\n", options.servers, each);
  for (const Client& server : servers) good = write(server.to, "g", 1) == 1 && good;
  for (int i = 0; i < options.servers; ++i) {
    const Client& server = servers[static_cast<size_t>(i)];
    pass_on(server, i, 0);
    int status = 0;
    waitpid(server.pid, &status, 0);
    good = status == 0 && good;
  }
  return good ? 0 : 1;
}

Options parse(int argc, char** argv, bool* client) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const long value = std::atol(argv[i + 1]);
    if (name == "--connections") options.connections = static_cast<size_t>(value);
    else if (name == "--addresses") options.addresses = static_cast<unsigned>(value);
    else if (name == "--rounds") options.rounds = static_cast<int>(value);
    else if (name == "--servers") options.servers = static_cast<int>(value);
    else if (name == "--waits") options.waits = value != 0;
    else if (name == "--client") options.port = static_cast<int>(value), *client = true;
    else std::exit((std::fprintf(stderr, "idle_conns: unknown option %s\n", argv[i]), 64));
  }
  return options;
}

int run(int argc, char** argv) {
  bool client = false;
  const Options options = parse(argc, argv, &client);
  if (client) return run_client(options);
  return options.servers > 1 ? run_fleet(options) : run_server(options);
}

}  // namespace
}  // namespace reprise::bench

int app(int argc, char** argv) { return reprise::bench::run(argc, argv); }
REPRISE_MAIN(app)
