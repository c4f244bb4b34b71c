// The scribe against a child that speaks the tape's protocol at full speed.
#include "replay/scribe.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/random_tape.h"

namespace reprise::trace {
namespace {

constexpr uint64_t kRing = tape::kMinRingBytes;

struct Child {
  uint64_t seed = 1;
  size_t count = 1000, largest = 100;
  std::string end = "0";

  std::vector<std::string> argv(const TapeFile& tape) const {
    return {REPRISE_FAKE_STAGE, std::to_string(tape.fd()), "2",    std::to_string(seed),
            std::to_string(count), std::to_string(largest), end};
  }
  std::vector<std::byte> records() const { return test::random_records(seed, count, largest); }
};

class ScribeTest : public testing::Test {
 protected:
  std::string path() const { return folder_ / "t.rpz"; }

  RunEnd record(const Child& child, TraceWriter& writer) {
    TapeFile tape;
    EXPECT_FALSE(tape.create("", kRing));
    tape.control().mode = tape::Mode::record;
    EXPECT_FALSE(writer.open(path()));
    EXPECT_FALSE(writer.begin(test::sample_header()));
    Scribe scribe(tape);
    std::string why;
    EXPECT_TRUE(scribe.start(child.argv(tape), {"A=b"}, 2, &why)) << why;
    RunEnd end = scribe.record(&writer, {});
    Footer footer;
    footer.wait_status = end.wait_status;
    footer.events = tape.control().events;
    EXPECT_FALSE(writer.finish(footer));
    return end;
  }

  RunEnd replay(const Child& child, tape::Verdict* verdict) {
    TapeFile tape;
    EXPECT_FALSE(tape.create("", kRing));
    tape.control().mode = tape::Mode::replay;
    TraceReader reader;
    EXPECT_FALSE(reader.open(path()));
    Scribe scribe(tape);
    std::string why;
    EXPECT_TRUE(scribe.start(child.argv(tape), {}, 2, &why)) << why;
    RunEnd end = scribe.replay(reader);
    *verdict = tape.control().verdict;
    return end;
  }

  test::TemporaryFolder folder_;
};

TEST_F(ScribeTest, what_is_recorded_is_what_is_fed_back) {
  for (const Child& child : {Child{1, 0, 1, "0"}, Child{2, 1, 1, "7"}, Child{3, 100'000, 50, "0"},
                             Child{4, 1500, 900'000, "3"}}) {
    TraceWriter writer;
    RunEnd end = record(child, writer);
    EXPECT_EQ(WEXITSTATUS(end.wait_status), std::stoi(child.end));
    EXPECT_FALSE(end.trace_error) << end.trace_error.text();
    std::string error;
    EXPECT_TRUE(test::read_trace(path(), &error) == test::as_kept(child.records()));
    tape::Verdict verdict{};
    end = replay(child, &verdict);
    EXPECT_EQ(verdict, tape::Verdict::none);
    EXPECT_EQ(WEXITSTATUS(end.wait_status), std::stoi(child.end));
    EXPECT_FALSE(end.trace_error);
  }
}

TEST_F(ScribeTest, a_program_killed_by_a_signal_leaves_all_it_wrote_and_an_end) {
  Child child{5, 5000, 100, "kill 15"};
  TraceWriter writer;
  RunEnd end = record(child, writer);
  ASSERT_TRUE(WIFSIGNALED(end.wait_status));
  EXPECT_EQ(WTERMSIG(end.wait_status), SIGTERM);
  auto expected = test::as_kept(child.records());
  append_record(expected, {tape::kEnd, 0, 0, 0, SIGTERM}, {});
  std::string error;
  EXPECT_TRUE(test::read_trace(path(), &error) == expected);
}

TEST_F(ScribeTest, after_sigkill_the_tape_has_no_end) {
  Child child{6, 5000, 100, "kill 9"};
  TraceWriter writer;
  record(child, writer);
  std::string error;
  EXPECT_TRUE(test::read_trace(path(), &error) == test::as_kept(child.records()));
  TraceReader reader;
  ASSERT_FALSE(reader.open(path()));
  EXPECT_FALSE(reader.footer()->ended);
}

TEST_F(ScribeTest, a_full_disk_costs_the_trace_and_not_the_run) {
  Child child{7, 20'000, 20'000, "4"};
  rlimit former{};
  getrlimit(RLIMIT_FSIZE, &former);
  struct sigaction ignore {}, before {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &ignore, &before);
  TapeFile tape;
  ASSERT_FALSE(tape.create("", kRing));
  tape.control().mode = tape::Mode::record;
  TraceWriter writer;
  ASSERT_FALSE(writer.open(path()));
  ASSERT_FALSE(writer.begin(test::sample_header()));
  Scribe scribe(tape);
  std::string why;
  ASSERT_TRUE(scribe.start(child.argv(tape), {}, 2, &why)) << why;
  rlimit small{200'000, former.rlim_max};  // stands in for a full disk: writes fail with EFBIG
  setrlimit(RLIMIT_FSIZE, &small);
  RunEnd end = scribe.record(&writer, {});
  setrlimit(RLIMIT_FSIZE, &former);
  sigaction(SIGXFSZ, &before, nullptr);
  EXPECT_EQ(WEXITSTATUS(end.wait_status), 4);
  EXPECT_EQ(end.trace_error.kind, Error::Kind::io);
  EXPECT_TRUE(writer.broken());
  writer.finish({});
  TraceReader reader;
  ASSERT_FALSE(reader.open(path()));
  EXPECT_FALSE(reader.footer());
  std::string error;
  auto got = test::read_trace(path(), &error), all = test::as_kept(child.records());
  EXPECT_EQ(error, "");
  EXPECT_LT(got.size(), all.size());
  EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin()));
}

TEST_F(ScribeTest, a_trace_that_differs_is_a_divergence) {
  TraceWriter writer;
  record(Child{8, 1000, 10, "0"}, writer);
  tape::Verdict verdict{};
  RunEnd end = replay(Child{9, 1000, 10, "0"}, &verdict);
  EXPECT_EQ(verdict, tape::Verdict::divergence);
  EXPECT_EQ(WEXITSTATUS(end.wait_status), 70);
}

TEST_F(ScribeTest, a_trace_damaged_in_the_middle_ends_the_replay) {
  TraceWriter writer;
  Child child{10, 20'000, 1000, "0"};
  record(child, writer);
  std::string bytes = test::read_file(path());
  bytes[bytes.size() / 2] ^= 1;
  test::write_file(path(), bytes);
  tape::Verdict verdict{};
  RunEnd end = replay(child, &verdict);
  EXPECT_EQ(end.trace_error.kind, Error::Kind::bad_trace);
  EXPECT_TRUE(WIFSIGNALED(end.wait_status));
}

TEST_F(ScribeTest, the_terminals_signals_do_not_end_it) {
  TapeFile tape;
  ASSERT_FALSE(tape.create("", kRing));
  Scribe scribe(tape);
  for (int sig : {SIGINT, SIGQUIT, SIGHUP, SIGPIPE}) kill(getpid(), sig);
  SUCCEED();
}

TEST_F(ScribeTest, a_termination_is_passed_on_to_the_child) {
  TapeFile tape;
  ASSERT_FALSE(tape.create("", kRing));
  Scribe scribe(tape);
  std::string why;
  ASSERT_TRUE(scribe.start({"/bin/sleep", "1000"}, {}, 2, &why)) << why;
  kill(getpid(), SIGTERM);
  RunEnd end = scribe.record(nullptr, {});
  ASSERT_TRUE(WIFSIGNALED(end.wait_status));
  EXPECT_EQ(WTERMSIG(end.wait_status), SIGTERM);
}

TEST_F(ScribeTest, a_stage_that_is_missing_is_named) {
  TapeFile tape;
  ASSERT_FALSE(tape.create("", kRing));
  Scribe scribe(tape);
  std::string why;
  EXPECT_FALSE(scribe.start({"/nonexistent/stage"}, {}, 2, &why));
  EXPECT_EQ(why, "/nonexistent/stage: No such file or directory");
}

}  // namespace
}  // namespace reprise::trace
