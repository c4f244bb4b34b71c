// Tests that fail, one for each way in which a schedule can: what tests/e2e/testing_test.py runs from outside.
#include <gtest/gtest.h>
#include <reprise/atomic.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/gtest.h>
#include <reprise/net.h>
#include <reprise/panic.h>
#include <reprise/sync.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>

#include "corpus/programs/kvd/server.h"

namespace reprise {
namespace {

// True in some schedules: the second goroutine was first.
bool overtaken() {
  Chan<int> values(2);
  go([values]() mutable { values.send(1); });
  go([values]() mutable { values.send(2); });
  const bool second_first = values.recv().value() == 2;
  values.recv();
  return second_first;
}

REPRISE_TEST(Fails, by_an_expectation) { EXPECT_FALSE(overtaken()) << "the second was first"; }

REPRISE_TEST(Fails, by_a_panic) {
  if (overtaken()) panic("overtaken");
}

REPRISE_TEST(Fails, by_a_deadlock) {
  Mutex a, b;
  WaitGroup both(2);
  auto lock_in_order = [both](Mutex& first, Mutex& second) mutable {
    {
      const std::scoped_lock hold(first);
      const std::scoped_lock too(second);
    }
    both.done();
  };
  go([&, lock_in_order]() mutable { lock_in_order(a, b); });
  go([&, lock_in_order]() mutable { lock_in_order(b, a); });
  both.wait();
}

REPRISE_TEST(Fails, by_a_ring_of_locks_while_others_go_on) {
  std::mutex a, b;
  WaitGroup both(2);
  const auto take = [](std::mutex& first, std::mutex& second, WaitGroup done) {
    {
      const std::lock_guard hold(first);
      const std::lock_guard too(second);
    }
    done.done();
  };
  go([&a, &b, take, both] { take(a, b, both); });
  go([&a, &b, take, both] { take(b, a, both); });
  Atomic<bool> over{false};
  go([&over, both]() mutable {
    both.wait();
    over.store(true);
  });
  while (!over.load()) sleep_for(std::chrono::milliseconds(1));
}

REPRISE_TEST(Fails, by_a_leak) {
  Chan<int> nobody_receives;
  if (overtaken()) go([nobody_receives]() mutable { nobody_receives.send(1); });
}

REPRISE_TEST(Fails, by_a_crash) {
  auto* volatile nowhere = reinterpret_cast<volatile int*>(0x1'0000'0000);
  if (overtaken()) *nowhere = 1;
}

REPRISE_TEST(Fails, by_a_signal_that_it_sends) {
  if (overtaken()) std::raise(SIGSEGV);
}

REPRISE_TEST(Fails, by_an_exit) {
  if (overtaken()) std::_Exit(3);
}

REPRISE_TEST(Fails, by_a_livelock, .schedules = 100, .max_steps = 2000) {
  if (!overtaken()) return;
  for (;;) yield();
}

// One line of an answer of kvd's.
std::string ask(net::Conn& conn, std::string_view request) {
  std::string line;
  char byte;
  if (!conn.write_all(request)) return line;
  while (conn.read_full(&byte, 1) && byte != '\r') line += byte;
  return conn.read_full(&byte, 1) ? line : "";
}

REPRISE_TEST(Kvd, counts_its_clients, .schedules = 4000, .world = "simulated") {
  kvd::Server server({.port = 7379});
  WaitGroup serving(1), clients(2);
  go([&server, serving]() mutable {
    server.run();
    serving.done();
  });
  const auto dial = [] {
    for (;;) {
      if (auto conn = net::dial("tcp", "127.0.0.1:7379")) return *std::move(conn);
      sleep_for(std::chrono::milliseconds(1));  // the server does not listen yet
    }
  };
  for (int i = 0; i < 2; ++i) {
    go([dial, clients]() mutable {
      net::Conn conn = dial();
      ask(conn, "INCR n\r\n");
      (void)conn.close();
      clients.done();
    });
  }
  clients.wait();
  net::Conn conn = dial();
  EXPECT_EQ(ask(conn, "INCR n\r\n"), ":3");
  (void)conn.close();
  server.stop();
  serving.wait();
}

REPRISE_TEST(Passes, always) { (void)overtaken(); }

}  // namespace
}  // namespace reprise
