// kvd and its clients in one process, on a simulated network. Built twice, as kvd is: the server whose INCR
// is not atomic is found out, the fixed one is clean under the same schedules.
#include <gtest/gtest.h>
#include <reprise/explore.h>
#include <reprise/net.h>
#include <reprise/reprise.h>

#include <string>

#include "corpus/programs/kvd/server.h"

namespace reprise {
namespace {

using namespace std::chrono_literals;

constexpr char kAddress[] = "127.0.0.1:7379";
constexpr std::string_view kIncrement = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";

// The server may not listen yet.
net::Conn patient_dial() {
  for (;;) {
    if (auto conn = net::dial("tcp", kAddress)) return *std::move(conn);
    sleep_for(1ms);
  }
}

// One line of the answer, without its end; empty if the connection ended before.
std::string read_line(net::Conn& conn) {
  std::string line;
  char byte;
  while (conn.read_full(&byte, 1)) {
    if (byte == '\n') return line.substr(0, line.size() - 1);
    line += byte;
  }
  return "";
}

std::string ask(net::Conn& conn, std::string_view request) {
  if (!conn.write_all(request)) return "";
  return read_line(conn);
}

void two_clients_increment() {
  kvd::Server server({.port = 7379});
  WaitGroup serving, clients;
  serving.add();
  go([&server, serving]() mutable {
    server.run();
    serving.done();
  });
  for (int i = 0; i < 2; ++i) {
    clients.add();
    go([clients]() mutable {
      net::Conn conn = patient_dial();
      ask(conn, kIncrement);
      (void)conn.close();
      clients.done();
    });
  }
  clients.wait();
  net::Conn conn = patient_dial();
  expect(ask(conn, kIncrement) == ":3", "three increments make three");
  (void)conn.close();
  server.stop();
  serving.wait();
}

ExploreOptions options_for(const char* name) {
  ExploreOptions options;
  options.world = "simulated";
  options.schedules = 2000;
  options.name = name;
  return options;
}

#ifndef KVD_ATOMIC_INCR
TEST(SimKvd, explore_finds_the_lost_increment) {
  const auto result = explore(options_for("sim_kvd.lost_increment"), two_clients_increment);
  ASSERT_TRUE(result.failure) << describe({}, result);
  EXPECT_EQ(result.failure->kind, FailureKind::expectation);
  EXPECT_EQ(result.failure->message, "three increments make three");
  EXPECT_TRUE(result.failure->confirmed) << describe({}, result);
}
#else
TEST(SimKvd, atomic_increments_are_clean) {
  const auto result = explore(options_for("sim_kvd.atomic"), two_clients_increment);
  EXPECT_FALSE(result.failure) << describe({}, result);
  EXPECT_EQ(result.schedules, 2000u);
}

TEST(SimKvd, a_server_survives_a_network_with_faults) {
  auto options = options_for("sim_kvd.faults");
  options.faults = "net";
  options.fault_rate = 0.05;
  options.schedules = 500;
  const auto result = explore(options, [] {
    kvd::Server server({.port = 7379});
    WaitGroup serving;
    serving.add();
    go([&server, serving]() mutable {
      server.run();
      serving.done();
    });
    for (int i = 0; i < 4; ++i) {
      net::Conn conn = patient_dial();
      const std::string answer = ask(conn, kIncrement);
      expect(answer.empty() || answer.starts_with(":"), "an answer is whole or missing");
      (void)conn.close();
    }
    server.stop();
    serving.wait();
  });
  EXPECT_FALSE(result.failure) << describe(options, result);
}
#endif

}  // namespace
}  // namespace reprise
