// Bugs of clients and servers whose network loses answers.
#include <reprise/net.h>
#include <reprise/panic.h>
#include <reprise/reprise.h>

#include <set>
#include <string>

#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace sim_bugs {

namespace {

using reprise::net::Conn;
using reprise::net::Listener;

constexpr char kAddress[] = "127.0.0.1:7100";
constexpr int kAttempts = 5;

class Bank {
 public:
  explicit Bank(bool remembers) : remembers_(remembers) {}

  // A request is its id, one byte.
  void serve(Conn conn) {
    char id;
    if (conn.read_full(&id, 1)) {
      if (!remembers_ || served_.insert(id).second) balance_ += 10;
      (void)conn.write_all("k");
    }
    (void)conn.close();
  }
  int balance() const { return balance_; }

 private:
  const bool remembers_;
  std::set<char> served_;
  int balance_ = 0;
};

bool deposit(char id) {
  auto conn = reprise::net::dial("tcp", kAddress);
  if (!conn) return false;
  char answer;
  const bool answered = conn->write_all(&id, 1) && conn->read_full(&answer, 1);
  (void)conn->close();
  return answered;
}

}  // namespace

void retried_deposit(bool fixed) {
  auto listener = reprise::net::listen("tcp", kAddress);
  if (!listener) reprise::panic("no listener");
  Bank bank(fixed);
  reprise::WaitGroup serving;
  serving.add();
  reprise::go([&bank, listener = *listener, serving]() mutable {
    while (auto conn = listener.accept()) bank.serve(*conn);
    serving.done();
  });
  for (int i = 0; i < kAttempts && !deposit('a'); ++i) continue;
  (void)listener->close();
  serving.wait();
  if (bank.balance() > 10) reprise::panic("one deposit was made twice");
}

}  // namespace sim_bugs
