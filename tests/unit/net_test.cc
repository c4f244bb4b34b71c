// net: loopback TCP and Unix sockets, deadlines, closing, half-close, large transfers, many
// connections, storms of signals.
#include <reprise/net.h>

#include <dirent.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <atomic>
#include <netdb.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/os.h>
#include <reprise/time.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/poll/address.h"
#include "runtime/sched/proc.h"

namespace reprise::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

void wait_until_alone() {
  while (rt::num_goroutine() > 1) rt::gosched();
}

// A path that nobody else has: in a directory of this process, removed at its end.
std::string fresh_path(const char* name) {
  static const struct Folder {
    Folder() { EXPECT_NE(mkdtemp(path), nullptr); }
    ~Folder() { std::filesystem::remove_all(path); }
    char path[32] = "/tmp/reprise-net-XXXXXX";
  } folder;
  return std::string(folder.path) + "/" + name;
}

Listener listen_loopback() {
  auto listener = listen("tcp", "127.0.0.1:0");
  EXPECT_TRUE(listener.ok()) << listener.error().message();
  return *listener;
}

struct Pair {
  Conn client, server;
};

Pair connected() {
  Listener listener = listen_loopback();
  Pair pair;
  go([&] { pair.client = *dial("tcp", listener.address().text); });
  pair.server = *listener.accept();
  wait_until_alone();
  EXPECT_TRUE(listener.close().ok());
  return pair;
}

std::string read_to_end(Conn& conn) {
  std::string all;
  char buffer[4096];
  for (;;) {
    auto got = conn.read(buffer, sizeof buffer);
    EXPECT_TRUE(got.ok()) << got.error().message();
    if (!got || *got == 0) return all;
    all.append(buffer, *got);
  }
}

size_t open_descriptors() {
  size_t count = 0;
  DIR* dir = opendir("/proc/self/fd");
  while (readdir(dir)) ++count;
  closedir(dir);
  return count;
}

// ---- addresses --------------------------------------------------------------------------------

TEST(Address, malformed_ones_are_refused_with_a_reason) {
  struct { const char* network; const char* text; const char* reason; } cases[] = {
      {"tcp", "127.0.0.1", "missing port"},
      {"tcp", "127.0.0.1:", "invalid port"},
      {"tcp", "127.0.0.1:70000", "invalid port"},
      {"tcp", "[::1:80", "missing ']'"},
      {"tcp", "::1:80", "too many colons"},
      {"unix", "", "empty path"},
      {"udp", "127.0.0.1:80", "unknown network"},
  };
  for (const auto& c : cases) {
    auto listener = listen(c.network, c.text);
    ASSERT_FALSE(listener.ok()) << c.text;
    EXPECT_EQ(listener.error().kind(), ErrorKind::address);
    EXPECT_NE(listener.error().message().find(c.reason), std::string::npos)
        << listener.error().message();
  }
}

TEST(Address, unix_path_longer_than_the_kernel_takes_is_refused) {
  auto listener = listen("unix", std::string(200, 'x'));
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().kind(), ErrorKind::address);
}

TEST(Address, numeric_ones_print_as_they_are_written) {
  auto four = rt::resolve("tcp", "127.0.0.1:7399", rt::AddressUse::dial);
  ASSERT_TRUE(four.ok());
  EXPECT_EQ(rt::printable(four->front()).text, "127.0.0.1:7399");
  EXPECT_EQ(rt::printable(four->front()).port, 7399);
  auto six = rt::resolve("tcp", "[::1]:80", rt::AddressUse::dial);
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(rt::printable(six->front()).text, "[::1]:80");
  auto abstract = rt::resolve("unix", "@name", rt::AddressUse::dial);
  ASSERT_TRUE(abstract.ok());
  EXPECT_EQ(rt::printable(abstract->front()).text, "@name");
}

TEST(Address, host_name_resolves_on_a_worker) {
  addrinfo* known = nullptr;
  if (getaddrinfo("localhost", nullptr, nullptr, &known) != 0) {
    GTEST_SKIP() << "this machine does not know localhost (no /etc/hosts)";
  }
  freeaddrinfo(known);
  auto resolved = rt::resolve("tcp4", "localhost:80", rt::AddressUse::dial);
  ASSERT_TRUE(resolved.ok()) << resolved.error().message();
  EXPECT_EQ(rt::printable(resolved->front()).text, "127.0.0.1:80");
}

// ---- connections ------------------------------------------------------------------------------

TEST(Net, bytes_go_both_ways) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write_all("hello").ok());
  char buffer[5];
  ASSERT_TRUE(pair.server.read_full(buffer, 5).ok());
  EXPECT_EQ(std::string(buffer, 5), "hello");
  ASSERT_TRUE(pair.server.write_all("world").ok());
  ASSERT_TRUE(pair.client.read_full(buffer, 5).ok());
  EXPECT_EQ(std::string(buffer, 5), "world");
}

TEST(Net, both_ends_know_both_addresses) {
  Pair pair = connected();
  EXPECT_EQ(pair.client.local_address().text, pair.server.remote_address().text);
  EXPECT_EQ(pair.client.remote_address().text, pair.server.local_address().text);
  EXPECT_NE(pair.client.local_address().port, 0);
}

TEST(Net, read_returns_what_is_there_and_zero_at_the_end) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write_all("abc").ok());
  ASSERT_TRUE(pair.client.close().ok());
  EXPECT_EQ(read_to_end(pair.server), "abc");
  char byte;
  auto again = pair.server.read(&byte, 1);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, 0u);
}

// A short read promises that nothing is left; an end of stream that came with the data must still
// be found by the next read, although it raises no event of its own.
TEST(Net, end_of_stream_behind_a_short_read_is_found) {
  for (int round = 0; round < 50; ++round) {
    Pair pair = connected();
    go([&] {
      EXPECT_TRUE(pair.client.write_all("x").ok());
      if (round % 2) rt::gosched();
      EXPECT_TRUE(pair.client.close().ok());
    });
    if (round % 3) rt::gosched();
    EXPECT_EQ(read_to_end(pair.server), "x");
    wait_until_alone();
  }
}

// Urgent data cuts reads: what is behind it is there although the read before was short.
TEST(Net, data_behind_an_urgent_byte_is_found) {
  Listener listener = listen_loopback();
  const int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = rt::resolve("tcp", listener.address().text, rt::AddressUse::dial)->front();
  ASSERT_EQ(connect(peer, address.get(), address.size), 0);
  Conn conn = *listener.accept();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(send(peer, "abc", 3, 0), 3);
    ASSERT_EQ(send(peer, "!", 1, MSG_OOB), 1);
    ASSERT_EQ(send(peer, "def", 3, 0), 3);
    char buffer[64];
    std::string received;
    while (received.size() < 6) {
      auto got = conn.read(buffer, sizeof buffer);
      ASSERT_TRUE(got.ok());
      received.append(buffer, *got);
    }
    EXPECT_EQ(received, "abcdef");
  }
  ::close(peer);
}

TEST(Net, read_full_reports_a_stream_that_ends_early) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write_all("abc").ok());
  ASSERT_TRUE(pair.client.close_write().ok());
  char buffer[4];
  Status got = pair.server.read_full(buffer, 4);
  ASSERT_FALSE(got.ok());
  EXPECT_TRUE(got.error().end_of_file());
}

TEST(Net, half_close_ends_one_direction_only) {
  Pair pair = connected();
  std::string received;
  go([&] {
    received = read_to_end(pair.server);
    EXPECT_TRUE(pair.server.write_all("answer").ok());
    EXPECT_TRUE(pair.server.close().ok());
  });
  ASSERT_TRUE(pair.client.write_all("question").ok());
  ASSERT_TRUE(pair.client.close_write().ok());
  EXPECT_EQ(read_to_end(pair.client), "answer");
  wait_until_alone();
  EXPECT_EQ(received, "question");
}

TEST(Net, large_transfer_arrives_whole_through_a_small_buffer) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.set_write_buffer(4096).ok());
  std::string sent;
  for (int i = 0; sent.size() < (2u << 20); ++i) sent += std::to_string(i) + ",";
  std::string received;
  go([&] { received = read_to_end(pair.server); });
  ASSERT_TRUE(pair.client.write_all(sent).ok());
  ASSERT_TRUE(pair.client.close_write().ok());
  wait_until_alone();
  EXPECT_TRUE(received == sent);
}

TEST(Net, parts_arrive_as_one_in_order) {
  Pair pair = connected();
  const std::string big(300'000, 'b');
  std::vector<std::string_view> parts;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    parts.push_back(i % 10 == 3 ? std::string_view(big) : i % 10 == 4 ? "" : "small");
    expected += parts.back();
  }
  std::string received;
  go([&] { received = read_to_end(pair.server); });
  ASSERT_TRUE(pair.client.write_parts(parts).ok());
  ASSERT_TRUE(pair.client.close_write().ok());
  wait_until_alone();
  EXPECT_TRUE(received == expected);
}

TEST(Net, writes_of_two_goroutines_do_not_mix) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.set_write_buffer(4096).ok());
  const size_t size = 1 << 20;
  for (char name : {'a', 'b'}) {
    go([&, name] { EXPECT_TRUE(pair.client.write_all(std::string(size, name)).ok()); });
  }
  std::string received(2 * size, '\0');
  ASSERT_TRUE(pair.server.read_full(received.data(), received.size()).ok());
  const std::string a(size, 'a'), b(size, 'b');
  EXPECT_TRUE(received == a + b || received == b + a);
  wait_until_alone();
}

TEST(Net, many_connections_at_once) {
  constexpr int kConnections = 400;
  const size_t before = open_descriptors();
  Listener listener = listen_loopback();
  const std::string address = listener.address().text;
  std::atomic<int> served{0}, answered{0};
  go([&] {
    for (int i = 0; i < kConnections; ++i) {
      go([&, conn = *listener.accept()]() mutable {
        char buffer[16];
        while (conn.read_full(buffer, 4).ok()) ASSERT_TRUE(conn.write_all(buffer, 4).ok());
        ++served;
      });
    }
  });
  for (int i = 0; i < kConnections; ++i) {
    go([&] {
      Conn conn = *dial("tcp", address);
      char buffer[4];
      for (int round = 0; round < 5; ++round) {
        ASSERT_TRUE(conn.write_all("ping").ok());
        ASSERT_TRUE(conn.read_full(buffer, 4).ok());
        answered += std::string(buffer, 4) == "ping";
      }
    });
  }
  wait_until_alone();
  EXPECT_EQ(served, kConnections);
  EXPECT_EQ(answered, kConnections * 5);
  EXPECT_TRUE(listener.close().ok());
  EXPECT_LE(open_descriptors(), before + 4);  // the poller's own two, if this test came first
}

TEST(Net, unnamed_host_listens_on_every_interface_and_dials_the_local_one) {
  Listener listener = *listen("tcp", ":0");
  const std::string port = std::to_string(listener.address().port);
  for (const std::string& address : {"127.0.0.1:" + port, ":" + port}) {
    Conn client;
    go([&] { client = *dial("tcp", address); });
    Conn server = *listener.accept();
    wait_until_alone();
    ASSERT_TRUE(client.write_all("x").ok());
    char byte = 0;
    ASSERT_TRUE(server.read_full(&byte, 1).ok());
    EXPECT_EQ(byte, 'x');
  }
}

TEST(Net, port_in_use_is_an_error_that_names_it) {
  Listener listener = listen_loopback();
  const std::string address = listener.address().text;
  auto second = listen("tcp", address);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message(), "listen tcp " + address + ": address already in use");
}

TEST(Net, dial_to_a_port_where_nobody_listens_is_refused) {
  Listener listener = listen_loopback();
  const std::string address = listener.address().text;
  ASSERT_TRUE(listener.close().ok());
  auto conn = dial("tcp", address);
  ASSERT_FALSE(conn.ok());
  EXPECT_TRUE(conn.error().is(ECONNREFUSED)) << conn.error().message();
  EXPECT_EQ(conn.error().message(), "dial tcp " + address + ": connection refused");
}

TEST(Net, writing_to_a_peer_that_reset_is_an_error_and_no_signal) {
  Pair pair = connected();
  ASSERT_TRUE(pair.server.close().ok());
  Status status;
  // The first write may be answered by a reset, the ones after it fail.
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    status = pair.client.write_all("data");
    rt::gosched();
  }
  ASSERT_FALSE(status.ok());
  EXPECT_TRUE(status.error().is(EPIPE) || status.error().is(ECONNRESET)) << status.error().message();
}

TEST(Net, empty_handles_report_closed) {
  Conn conn;
  char byte;
  EXPECT_TRUE(conn.read(&byte, 1).error().closed());
  EXPECT_TRUE(conn.close().error().closed());
  EXPECT_TRUE(Listener().accept().error().closed());
}

TEST(Net, last_copy_closes_the_socket) {
  Pair pair = connected();
  Conn copy = pair.client;
  pair.client = Conn();
  ASSERT_TRUE(copy.write_all("x").ok());
  copy = Conn();
  EXPECT_EQ(read_to_end(pair.server), "x");
}

// ---- closing ----------------------------------------------------------------------------------

TEST(NetClose, wakes_a_reader) {
  Pair pair = connected();
  std::atomic<bool> closed = false;
  go([&] {
    char byte;
    auto got = pair.server.read(&byte, 1);
    closed = !got.ok() && got.error().closed();
  });
  rt::gosched();
  EXPECT_FALSE(closed);
  EXPECT_TRUE(pair.server.close().ok());
  wait_until_alone();
  EXPECT_TRUE(closed);
}

TEST(NetClose, wakes_a_writer) {
  Pair pair = connected();
  std::atomic<bool> closed = false;
  go([&] {
    const std::string much(64 << 20, 'x');  // more than the buffers of both ends hold
    Status status = pair.client.write_all(much);
    closed = !status.ok() && status.error().closed();
  });
  rt::gosched();
  EXPECT_FALSE(closed);
  EXPECT_TRUE(pair.client.close().ok());
  wait_until_alone();
  EXPECT_TRUE(closed);
}

TEST(NetClose, wakes_all_who_queue_for_the_read) {
  Pair pair = connected();
  std::atomic<int> closed = 0;
  for (int i = 0; i < 5; ++i) {
    go([&] {
      char byte;
      auto got = pair.server.read(&byte, 1);
      closed += !got.ok() && got.error().closed();
    });
  }
  rt::gosched();
  EXPECT_TRUE(pair.server.close().ok());
  wait_until_alone();
  EXPECT_EQ(closed.load(), 5);
}

TEST(NetClose, wakes_accept) {
  Listener listener = listen_loopback();
  bool closed = false;
  go([&] { closed = listener.accept().error().closed(); });
  rt::gosched();
  EXPECT_TRUE(listener.close().ok());
  wait_until_alone();
  EXPECT_TRUE(closed);
}

TEST(NetClose, second_close_reports_closed) {
  Pair pair = connected();
  EXPECT_TRUE(pair.client.close().ok());
  Status again = pair.client.close();
  ASSERT_FALSE(again.ok());
  EXPECT_TRUE(again.error().closed());
  char byte;
  EXPECT_TRUE(pair.client.read(&byte, 1).error().closed());
  EXPECT_TRUE(pair.client.write_all("x").error().closed());
}

// ---- deadlines --------------------------------------------------------------------------------

TEST(NetDeadline, read_times_out_and_works_again_afterwards) {
  Pair pair = connected();
  ASSERT_TRUE(pair.server.set_read_deadline(now() + milliseconds(5)).ok());
  char byte = 0;
  auto got = pair.server.read(&byte, 1);
  ASSERT_FALSE(got.ok());
  EXPECT_TRUE(got.error().timeout()) << got.error().message();
  // It stays timed out until the deadline is set anew.
  EXPECT_TRUE(pair.server.read(&byte, 1).error().timeout());
  ASSERT_TRUE(pair.server.set_read_deadline(kNoDeadline).ok());
  ASSERT_TRUE(pair.client.write_all("y").ok());
  auto after = pair.server.read(&byte, 1);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(byte, 'y');
}

TEST(NetDeadline, one_in_the_past_ends_a_read_under_way) {
  Pair pair = connected();
  bool timed_out = false;
  go([&] {
    char byte;
    timed_out = pair.server.read(&byte, 1).error().timeout();
  });
  rt::gosched();
  ASSERT_TRUE(pair.server.set_read_deadline(now() - milliseconds(1)).ok());
  wait_until_alone();
  EXPECT_TRUE(timed_out);
}

TEST(NetDeadline, moved_into_the_future_it_does_not_fire_at_its_old_time) {
  Pair pair = connected();
  std::string received;
  ASSERT_TRUE(pair.server.set_read_deadline(now() + milliseconds(2)).ok());
  ASSERT_TRUE(pair.server.set_read_deadline(now() + hours(1)).ok());
  go([&] {
    char byte;
    auto got = pair.server.read(&byte, 1);
    if (got) received = byte;
  });
  // The other direction's deadline passes later than the old one would have.
  ASSERT_TRUE(pair.client.set_read_deadline(now() + milliseconds(5)).ok());
  char byte;
  EXPECT_TRUE(pair.client.read(&byte, 1).error().timeout());
  ASSERT_TRUE(pair.client.write_all("z").ok());
  wait_until_alone();
  EXPECT_EQ(received, "z");
}

TEST(NetDeadline, write_deadline_does_not_touch_reads) {
  Pair pair = connected();
  ASSERT_TRUE(pair.client.set_write_deadline(now() - milliseconds(1)).ok());
  EXPECT_TRUE(pair.client.write_all("x").error().timeout());
  ASSERT_TRUE(pair.server.write_all("r").ok());
  char byte = 0;
  ASSERT_TRUE(pair.client.read_full(&byte, 1).ok());
  EXPECT_EQ(byte, 'r');
}

TEST(NetDeadline, accept_times_out) {
  Listener listener = listen_loopback();
  ASSERT_TRUE(listener.set_deadline(now() + milliseconds(2)).ok());
  EXPECT_TRUE(listener.accept().error().timeout());
}

TEST(NetDeadline, closing_with_a_deadline_set_leaves_no_timer_behind) {
  for (int i = 0; i < 100; ++i) {
    Pair pair = connected();
    ASSERT_TRUE(pair.server.set_deadline(now() + hours(1)).ok());
    ASSERT_TRUE(pair.server.close().ok());
  }
  // A timer left behind would keep this from being reported as soon as nothing else is there; and
  // a reused PollDesc would time out.
  Pair pair = connected();
  ASSERT_TRUE(pair.client.write_all("x").ok());
  char byte;
  EXPECT_TRUE(pair.server.read_full(&byte, 1).ok());
}

TEST(NetDeadline, dial_gives_up_where_nobody_answers) {
  // A listener that nobody accepts from: once its queue is full the kernel drops connects.
  Listener listener = *listen("tcp", "127.0.0.1:0", {.backlog = 0});
  const std::string address = listener.address().text;
  std::vector<Conn> held;
  for (int i = 0; i < 64; ++i) {
    auto conn = dial("tcp", address, {.timeout = milliseconds(20)});
    if (!conn) {
      EXPECT_TRUE(conn.error().timeout()) << conn.error().message();
      return;
    }
    held.push_back(*conn);
  }
  FAIL() << "a backlog of zero took 64 connections";
}

// ---- Unix sockets -----------------------------------------------------------------------------

TEST(NetUnix, stream_works_and_close_removes_the_path) {
  const std::string path = fresh_path("sock");
  Listener listener = *listen("unix", path);
  EXPECT_EQ(listener.address().text, path);
  std::string received;
  go([&] {
    Conn conn = *listener.accept();
    received = read_to_end(conn);
  });
  Conn client = *dial("unix", path);
  ASSERT_TRUE(client.write_all("over a path").ok());
  ASSERT_TRUE(client.close().ok());
  wait_until_alone();
  EXPECT_EQ(received, "over a path");
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(listener.close().ok());
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

// The kernel ends a read behind bytes with which descriptors came, though more are there. The reader's one wake-up is for both.
TEST(NetUnix, bytes_behind_a_descriptor_that_was_sent_are_read) {
  const std::string path = fresh_path("fds");
  Listener listener = *listen("unix", path);
  const std::string expected = "with a descriptor, and without";
  std::string received(expected.size(), '?');
  std::atomic<bool> reading{false};
  Chan<bool> done;
  go([&] {
    Conn conn = *listener.accept();
    reading.store(true);
    // Ends a test that would hang; nothing is measured against it.
    EXPECT_TRUE(conn.set_read_deadline(now() + std::chrono::seconds(60)).ok());
    done.send(conn.read_full(received.data(), received.size()).ok());
  });
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  while (!reading.load()) yield();
  for (int i = 0; i < 10; ++i) yield();
  char text[] = "with a descriptor";
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof client)] = {};
  iovec part{text, sizeof text - 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof client);
  std::memcpy(CMSG_DATA(header), &client, sizeof client);
  ASSERT_EQ(sendmsg(client, &message, 0), static_cast<ssize_t>(sizeof text - 1));
  ASSERT_EQ(send(client, ", and without", 13, 0), 13);
  EXPECT_TRUE(*done.recv());
  EXPECT_EQ(received, expected);
  close(client);
  wait_until_alone();
}

TEST(NetUnix, path_in_use_is_an_error) {
  const std::string path = fresh_path("busy");
  Listener listener = *listen("unix", path);
  auto second = listen("unix", path);
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(second.error().is(EADDRINUSE));
  EXPECT_TRUE(listener.close().ok());
}

TEST(NetUnix, dial_to_a_full_backlog_says_so_at_once) {
  const std::string path = fresh_path("full");
  Listener listener = *listen("unix", path, {.backlog = 0});
  std::vector<Conn> held;
  for (int i = 0; i < 64; ++i) {
    auto conn = dial("unix", path);
    if (!conn) {
      EXPECT_TRUE(conn.error().is(EAGAIN)) << conn.error().message();
      EXPECT_TRUE(listener.close().ok());
      return;
    }
    held.push_back(*conn);
  }
  FAIL() << "a backlog of zero took 64 connections";
}

TEST(NetUnix, dial_without_a_listener_is_an_error) {
  auto conn = dial("unix", fresh_path("nobody"));
  ASSERT_FALSE(conn.ok());
  EXPECT_TRUE(conn.error().is(ENOENT)) << conn.error().message();
}

TEST(NetUnix, abstract_name_works) {
  const std::string name = "@reprise-net-test-" + std::to_string(getpid());
  Listener listener = *listen("unix", name);
  go([&] { EXPECT_TRUE(dial("unix", name)->write_all("a").ok()); });
  Conn conn = *listener.accept();
  EXPECT_EQ(read_to_end(conn), "a");
  wait_until_alone();
}

// ---- signals ----------------------------------------------------------------------------------

std::atomic<int> storms = 0;  // of all threads; the handler runs on any
void count_storm(int) { storms.fetch_add(1); }

// Interrupts system calls every 200 µs of wall time while it lives.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = count_storm;  // no SA_RESTART: calls fail with EINTR
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGALRM, &action, &before_);
    const itimerval every{{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &every, nullptr);
  }
  ~SignalStorm() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  struct sigaction before_;
};

TEST(NetSignals, storm_of_interrupts_disturbs_nothing) {
  SignalStorm storm;
  const int before = storms;
  int rounds = 0;
  while (storms < before + 100) {
    Pair pair = connected();
    std::string received;
    go([&] { received = read_to_end(pair.server); });
    const std::string sent(1 << 20, 's');
    ASSERT_TRUE(pair.client.write_all(sent).ok());
    ASSERT_TRUE(pair.client.close_write().ok());
    wait_until_alone();
    ASSERT_TRUE(received == sent);
    ++rounds;
  }
  EXPECT_GT(rounds, 0);
}

TEST(NetSignals, storm_does_not_disturb_a_deadline_or_a_blocked_accept) {
  SignalStorm storm;
  const int before = storms;
  while (storms < before + 50) {
    Listener listener = listen_loopback();
    ASSERT_TRUE(listener.set_deadline(now() + milliseconds(3)).ok());
    ASSERT_TRUE(listener.accept().error().timeout());
  }
}

}  // namespace
}  // namespace reprise::net
