// The simulated network behind reprise/net.h, under many schedules.
#include <gtest/gtest.h>
#include <reprise/explore.h>
#include <reprise/gtest.h>
#include <reprise/net.h>
#include <reprise/os.h>
#include <reprise/reprise.h>

#include <cerrno>
#include <string>

namespace reprise {
namespace {

using namespace std::chrono_literals;

struct Pair {
  net::Conn client, server;
};

Pair connected(std::string_view network = "tcp", std::string_view address = "127.0.0.1:0") {
  auto listener = net::listen(network, address);
  EXPECT_TRUE(listener) << listener.error().message();
  auto client = net::dial(network, listener->address().text);
  EXPECT_TRUE(client) << client.error().message();
  auto server = listener->accept();
  EXPECT_TRUE(server);
  (void)listener->close();
  return {*client, *server};
}

#define SIMULATED(count) .policy = "portfolio", .schedules = count, .world = "simulated"

REPRISE_TEST(SimNet, bytes_arrive_in_order_and_then_the_end, SIMULATED(200)) {
  for (const char* network : {"tcp", "unix"}) {
    auto [client, server] = connected(network, *network == 't' ? "127.0.0.1:0" : "@sim");
    WaitGroup sent;
    sent.add();
    go([client, sent]() mutable {
      EXPECT_TRUE(client.write_all("hello "));
      EXPECT_TRUE(client.write_all("world"));
      EXPECT_TRUE(client.close_write());
      sent.done();
    });
    char text[11];
    EXPECT_TRUE(server.read_full(text, sizeof text));
    EXPECT_EQ(std::string(text, sizeof text), "hello world");
    EXPECT_EQ(server.read(text, 1).value(), 0u);
    sent.wait();
    EXPECT_TRUE(server.write_all("bye"));
    EXPECT_TRUE(client.read_full(text, 3));
    EXPECT_TRUE(client.close());
    EXPECT_TRUE(server.close());
  }
}

REPRISE_TEST(SimNet, a_deadline_passes_in_virtual_time, SIMULATED(200)) {
  auto [client, server] = connected();
  char byte;
  const TimePoint before = now();
  EXPECT_TRUE(server.set_read_deadline(before + 1h));
  const auto got = server.read(&byte, 1);
  EXPECT_TRUE(!got && got.error().timeout());
  EXPECT_GE(now() - before, 1h);
  (void)client.close();
  (void)server.close();
}

REPRISE_TEST(SimNet, close_wakes_who_waits, SIMULATED(200)) {
  auto listener = net::listen("tcp", "127.0.0.1:0");
  auto [client, server] = connected();
  WaitGroup woken;
  woken.add(2);
  go([woken, listener = *listener]() mutable {
    const auto conn = listener.accept();
    EXPECT_TRUE(!conn && conn.error().closed());
    woken.done();
  });
  go([woken, server = server]() mutable {
    char byte;
    const auto got = server.read(&byte, 1);
    EXPECT_TRUE(!got && got.error().closed());
    woken.done();
  });
  EXPECT_TRUE(listener->close());
  EXPECT_TRUE(server.close());
  woken.wait();
  (void)client.close();
}

REPRISE_TEST(SimNet, nobody_listens, SIMULATED(200)) {
  EXPECT_TRUE(net::dial("tcp", "127.0.0.1:9").error().is(ECONNREFUSED));
  EXPECT_TRUE(net::dial("tcp", "[::1]:9").error().is(ECONNREFUSED));
  EXPECT_TRUE(net::dial("unix", "@nobody").error().is(ECONNREFUSED));
  EXPECT_TRUE(net::dial("unix", "/nowhere/sock").error().is(ENOENT));
}

REPRISE_TEST(SimNet, a_full_writer_waits_for_its_reader, SIMULATED(20)) {
  auto [client, server] = connected();
  constexpr size_t kMany = 4 << 20;
  WaitGroup sent;
  sent.add();
  go([client = client, sent]() mutable {
    EXPECT_TRUE(client.write_all(std::string(kMany, 'x')));
    EXPECT_TRUE(client.close());
    sent.done();
  });
  std::string buffer(256 << 10, '\0');
  size_t total = 0;
  for (;;) {
    const auto got = server.read(buffer.data(), buffer.size());
    ASSERT_TRUE(got);
    if (*got == 0) break;
    total += *got;
  }
  EXPECT_EQ(total, kMany);
  sent.wait();
  (void)server.close();
}

REPRISE_TEST(SimNet, a_listener_with_a_full_queue_answers_later, SIMULATED(50)) {
  auto listener = net::listen("tcp", "127.0.0.1:0", {.backlog = 0});
  const std::string address = listener->address().text;
  WaitGroup dialled;
  dialled.add(3);
  for (int i = 0; i < 3; ++i) {
    go([&address, dialled]() mutable {
      auto conn = net::dial("tcp", address);
      EXPECT_TRUE(conn) << conn.error().message();
      (void)conn->close();
      dialled.done();
    });
  }
  for (int i = 0; i < 3; ++i) {
    sleep_for(1s);
    (void)listener->accept()->close();
  }
  dialled.wait();
  (void)listener->close();
}

REPRISE_TEST(SimNet, pipes_are_simulated_too, SIMULATED(200)) {
  auto pipe = os::pipe();
  ASSERT_TRUE(pipe);
  go([writer = pipe->writer]() mutable {
    EXPECT_TRUE(writer.write_all("through"));
    EXPECT_TRUE(writer.close());
  });
  EXPECT_EQ(pipe->reader.read_all().value(), "through");
  (void)pipe->reader.close();
}

// What a client that gives up at the first error must not do to its server.
void request_with_reply() {
  auto listener = net::listen("tcp", "127.0.0.1:7000");
  go([listener = *listener]() mutable {
    auto conn = listener.accept();
    char byte;
    if (conn && conn->read_full(&byte, 1)) (void)conn->write_all("ok");
    if (conn) (void)conn->close();
    (void)listener.close();
  });
  auto conn = net::dial("tcp", "127.0.0.1:7000");
  char reply[2];
  const bool answered = conn && conn->write_all("?") && conn->read_full(reply, 2);
  if (conn) (void)conn->close();
  else (void)net::dial("tcp", "127.0.0.1:7000");
  expect(answered, "every request is answered");
}

ExploreOptions faulty(const char* faults) {
  ExploreOptions options;
  options.policy = "random";
  options.world = "simulated";
  options.faults = faults;
  options.fault_rate = 0.2;
  options.name = "sim_net.faulty";
  return options;
}

TEST(SimFaults, a_request_fails_only_where_there_are_faults) {
  const auto none = explore(faulty("none"), request_with_reply);
  EXPECT_FALSE(none.failure) << describe({}, none);
  const auto some = explore(faulty("net"), request_with_reply);
  ASSERT_TRUE(some.failure);
  EXPECT_TRUE(some.failure->confirmed) << describe({}, some);
}

TEST(SimFaults, silence_is_a_deadlock_for_who_has_no_deadline) {
  const auto result = explore(faulty("partition"), [] {
    auto listener = net::listen("tcp", "127.0.0.1:7001");
    auto client = net::dial("tcp", "127.0.0.1:7001");
    while (!client) client = net::dial("tcp", "127.0.0.1:7001");  // a connect may go into silence too
    auto server = listener->accept();
    (void)server->write_all("x");
    char byte;
    (void)client->read_full(&byte, 1);
    (void)client->close();
    (void)server->close();
    (void)listener->close();
  });
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->kind, FailureKind::deadlock) << describe({}, result);
  EXPECT_TRUE(result.failure->confirmed);
}

TEST(SimFaults, the_same_answers_make_the_same_run) {
  auto options = faulty("net");
  options.policy = "random";
  options.schedules = 300;
  const auto first = explore(options, request_with_reply);
  const auto second = explore(options, request_with_reply);
  ASSERT_TRUE(first.failure && second.failure);
  EXPECT_EQ(first.schedules, second.schedules);
}

}  // namespace
}  // namespace reprise
