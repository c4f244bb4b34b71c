// REPRISE_TEST: a GoogleTest test whose body runs under many schedules.
//
//   REPRISE_TEST(Bank, TransferKeepsTotal, .policy = "portfolio", .schedules = 1000) {
//     …
//     EXPECT_EQ(total, 100);
//   }
//
// Expectations in the body are those of GoogleTest; one that fails fails the schedule. Without options the
// defaults of ExploreOptions hold (<reprise/explore.h>), which also says what else counts as a failure and
// which environment variables there are. The failure's text ends with the command that runs just that
// schedule again.
//
// The test program's main must run the tests on the main goroutine, locked to its thread, and so cannot be that of GTest::gtest_main.
// Link reprise_gtest_main, or write
//
//   int run_all(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     reprise::lock_os_thread();
//     return RUN_ALL_TESTS();
//   }
//   REPRISE_MAIN(run_all)
//
// GoogleTest must be initialised without death tests of the threadsafe style. SCOPED_TRACE belongs to the
// thread, not to the goroutine: do not hold one across an operation that may wait.
#pragma once

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <reprise/explore.h>

#include <memory>
#include <string>

namespace reprise::testing {

// What expectations failed, instead of GoogleTest's own bookkeeping. In the child only.
class GtestFailures {
 public:
  void begin() {
    reporter_ = std::make_unique<::testing::ScopedFakeTestPartResultReporter>(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &results_);
  }
  std::string failures() {
    std::string text;
    for (; seen_ < results_.size(); ++seen_) {
      const ::testing::TestPartResult& result = results_.GetTestPartResult(seen_);
      if (result.failed()) text += (text.empty() ? "" : "\n") + place_of(result) + result.message();
    }
    return text;
  }

 private:
  // FAIL() and the like in code without a place have none.
  static std::string place_of(const ::testing::TestPartResult& result) {
    if (result.file_name() == nullptr) return {};
    return std::string(result.file_name()) + ":" + std::to_string(result.line_number()) + ": ";
  }

  ::testing::TestPartResultArray results_;
  std::unique_ptr<::testing::ScopedFakeTestPartResultReporter> reporter_;
  int seen_ = 0;
};

// `file` and `line`: where the test is.
inline void run_reprise_test(ExploreOptions options, void (*body)(), const char* file, int line) {
  const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(info->test_suite_name()) + "." + info->name();
  options.name = name;
  options.replay_arguments = "--gtest_filter=" + name;
  GtestFailures failures;
  const Exploration result = explore(options, body, {[&] { failures.begin(); }, [&] { return failures.failures(); }});
  if (!result.failure) return;
  GTEST_MESSAGE_AT_(file, line, describe(options, result).c_str(), ::testing::TestPartResult::kNonFatalFailure);
}

}  // namespace reprise::testing

#define REPRISE_TEST(suite, name, ...)                                                             \
  static void reprise_test_body_##suite##_##name();                                                \
  TEST(suite, name) {                                                                              \
    ::reprise::testing::run_reprise_test(::reprise::ExploreOptions{__VA_ARGS__},                   \
                                         &reprise_test_body_##suite##_##name, __FILE__, __LINE__); \
  }                                                                                                \
  static void reprise_test_body_##suite##_##name()
