// account: a deposit and a withdrawal, each under the lock, and a check that expects the wrong sum when
// both have happened. The twin expects the right one.
#include <mutex>

#include "corpus/programs/kernels/kernel.h"
#include "corpus/programs/kernels/kernels.h"

namespace kernels {
namespace {

constexpr int kStart = 1, kDeposit = 2, kWithdrawal = 4;

struct Account {
  reprise::Mutex lock;
  Racy<int> balance{kStart};
  Racy<bool> deposited{false}, withdrawn{false};
};

void deposit(Account& a) {
  const std::lock_guard hold(a.lock);
  a.balance.write(a.balance.read() + kDeposit);
  a.deposited.write(true);
}

void withdraw(Account& a) {
  const std::lock_guard hold(a.lock);
  a.balance.write(a.balance.read() - kWithdrawal);
  a.withdrawn.write(true);
}

void check(Account& a, bool fixed) {
  const std::lock_guard hold(a.lock);
  if (!a.deposited.read() || !a.withdrawn.read()) return;
  const int expected = fixed ? kStart + kDeposit - kWithdrawal : kStart - kDeposit - kWithdrawal;
  require(a.balance.read() == expected, "account: balance");
}

}  // namespace

void account(bool fixed) {
  Account a;
  Threads threads;
  threads.start([&a, fixed] { check(a, fixed); });
  threads.start([&a] { deposit(a); });
  threads.start([&a] { withdraw(a); });
}

}  // namespace kernels
