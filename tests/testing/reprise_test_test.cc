// REPRISE_TEST: bodies that pass, and what a failing one reports.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <reprise/chan.h>
#include <reprise/go.h>
#include <reprise/gtest.h>
#include <reprise/rapidcheck.h>
#include <reprise/sync.h>

#include <mutex>
#include <vector>

namespace reprise {
namespace {

struct Bank {
  Mutex lock;
  int from = 100, to = 0;

  void transfer(int amount) {
    const std::lock_guard hold(lock);
    from -= amount;
    to += amount;
  }
  int total() {
    const std::lock_guard hold(lock);
    return from + to;
  }
};

REPRISE_TEST(Bank, transfer_keeps_the_total, .policy = "pos", .schedules = 300) {
  Bank bank;
  WaitGroup all;
  for (int i = 1; i <= 2; ++i) {
    all.add();
    go([&bank, all, i]() mutable {
      bank.transfer(i);
      all.done();
    });
  }
  EXPECT_EQ(bank.total(), 100);
  all.wait();
  EXPECT_EQ(bank.to, 3);
}

REPRISE_TEST(Defaults, are_enough) {
  Chan<int> values(1);
  go([values]() mutable { values.send(1); });
  EXPECT_EQ(values.recv().value(), 1);
}

REPRISE_TEST(Inputs, vary_with_the_schedule, .policy = "random", .schedules = 100) {
  const auto values = pick(rc::gen::arbitrary<std::vector<int>>());
  Chan<int> chan(values.size());
  for (const int value : values) chan.send(value);
  for (const int value : values) EXPECT_EQ(chan.recv().value(), value);
}

void wrong_order() {
  Chan<int> values(2);
  go([values]() mutable { values.send(1); });
  go([values]() mutable { values.send(2); });
  EXPECT_EQ(values.recv().value(), 1);
  values.recv();
}

TEST(Failing, a_failed_expectation_is_reported_with_the_command_that_replays_it) {
  ::testing::TestPartResultArray results;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results);
    testing::run_reprise_test({.policy = "random"}, &wrong_order, __FILE__, __LINE__);
  }
  ASSERT_EQ(results.size(), 1);
  const std::string text = results.GetTestPartResult(0).message();
  EXPECT_NE(text.find("failed expectation"), std::string::npos) << text;
  EXPECT_NE(text.find("values.recv().value()"), std::string::npos) << text;
  EXPECT_NE(text.find("REPRISE_REPLAY="), std::string::npos) << text;
  EXPECT_NE(text.find("--gtest_filter=Failing."), std::string::npos) << text;
  EXPECT_EQ(text.find("not confirmed"), std::string::npos) << text;
}

}  // namespace
}  // namespace reprise
