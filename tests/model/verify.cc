// Verdicts, and the command line (verify.h).
#include "tests/model/verify.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

namespace reprise::model {

namespace {

bool soak = false;
std::string only_schedule;

std::string test_name() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "." + info->name();
}

std::string report(const Result& result) {
  return result.failure + "\nafter " + std::to_string(result.executions) +
         " executions; trace:\n" + result.trace + "repeat it with --gtest_filter=" + test_name() +
         " --schedule=" + result.schedule;
}

Result run(const Program& program, Options options) {
  options.schedule = only_schedule;
  Result result = explore(options, program);
  if (!only_schedule.empty()) std::printf("%s", result.trace.c_str());
  return result;
}

void print_counts(const Result& result, const char* verdict) {
  std::printf("%s: %llu executions, %llu given up as the same, %llu out of scope, at most %d steps\n",
              verdict, static_cast<unsigned long long>(result.executions),
              static_cast<unsigned long long>(result.redundant),
              static_cast<unsigned long long>(result.out_of_scope), result.longest);
}

}  // namespace

bool soaking() { return soak; }

void verify(const Program& program, Options options) {
  const Result result = run(program, options);
  ASSERT_FALSE(result.failed) << report(result);
  if (!only_schedule.empty()) return;
  const bool sampling =
      options.search == Options::Search::random || options.search == Options::Search::pct;
  if (!sampling) {
    EXPECT_TRUE(result.complete) << "not explored to the end: " << result.executions
                                 << " executions, " << result.cut << " cut off";
  }
  print_counts(result, sampling ? "sampled" : "complete");
}

void finds(const std::string& expected, const Program& program, Options options) {
  const Result result = run(program, options);
  if (!only_schedule.empty()) return;
  ASSERT_TRUE(result.failed) << "the seeded bug was not found in " << result.executions
                             << " executions" << (result.complete ? ", which is all" : "");
  EXPECT_NE(result.failure.find(expected), std::string::npos) << report(result);
  options.schedule = result.schedule;
  const Result again = explore(options, program);
  EXPECT_EQ(again.failure, result.failure);
  EXPECT_EQ(again.trace, result.trace);
  print_counts(result, ("found (" + result.failure + ")").c_str());
}

}  // namespace reprise::model

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--schedule=", 11) == 0) {
      reprise::model::only_schedule = argv[i] + 11;
    } else if (std::strcmp(argv[i], "--soak") == 0) {
      reprise::model::soak = true;
    } else {
      std::fprintf(stderr, "unknown argument: %s\n", argv[i]);
      return 64;
    }
  }
  return RUN_ALL_TESTS();
}
