// The corpus directory and the files in it.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tools/fuzz/corpus.h"

namespace reprise::fuzz {
namespace {

namespace fs = std::filesystem;

Schedule schedule(uint64_t behaviour, size_t decisions = 3) {
  Schedule s{"prog", behaviour, "", {}};
  for (size_t i = 0; i < decisions; ++i) {
    s.decisions.push_back({static_cast<uint16_t>(tape::kFirstDecision + i % 3), 0, 0, 0, static_cast<int64_t>(i) - 1});
  }
  return s;
}

class CorpusTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/fuzz_corpus_test.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Corpus opened(std::vector<std::string>* warnings = nullptr) {
    Corpus corpus;
    std::vector<std::string> ignored;
    EXPECT_TRUE(corpus.open(folder_, "prog", &why_, warnings != nullptr ? warnings : &ignored)) << why_;
    return corpus;
  }
  size_t files() { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  std::string folder_, why_;
};

TEST(ScheduleFile, what_is_written_is_read_again) {
  Schedule s = schedule(0xfeed, 40);
  s.failure = "panic: a\nb";
  const auto back = parsed(written(s));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->behaviour, s.behaviour);
  EXPECT_EQ(back->failure, "panic: a b");
  ASSERT_EQ(back->decisions.size(), s.decisions.size());
  EXPECT_EQ(written(*back), written(s));
}

TEST(ScheduleFile, every_cut_and_every_changed_byte_is_refused_or_read_as_another_schedule) {
  const std::string text = written(schedule(7));
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parsed(text.substr(0, i))) << i;
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    if (const auto s = parsed(changed)) {
      EXPECT_NE(written(*s), text) << i;
    }
    EXPECT_NE(name_of(changed), name_of(text));
  }
}

TEST_F(CorpusTest, schedules_come_back_the_failing_ones_first) {
  Corpus corpus = opened();
  Schedule fails = schedule(2);
  fails.failure = "panic: x";
  ASSERT_TRUE(corpus.add(schedule(1), &why_));
  ASSERT_TRUE(corpus.add(fails, &why_));
  ASSERT_TRUE(corpus.add(schedule(3), &why_));
  const Corpus again = opened();
  ASSERT_EQ(again.schedules().size(), 3u);
  EXPECT_EQ(again.schedules()[0].behaviour, 2u);
}

TEST_F(CorpusTest, writers_beside_each_other_keep_one_file_of_each_schedule) {
  Corpus first = opened(), second = opened();
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(first.add(schedule(i), &why_));
    ASSERT_TRUE(second.add(schedule(i / 2), &why_));
  }
  EXPECT_EQ(files(), 10u);
  EXPECT_EQ(opened().schedules().size(), 10u);
}

TEST_F(CorpusTest, a_corrupt_file_is_named_and_left_where_it_is) {
  Corpus corpus = opened();
  ASSERT_TRUE(corpus.add(schedule(1), &why_));
  ASSERT_TRUE(corpus.add(schedule(2), &why_));
  const fs::path victim = fs::directory_iterator(folder_)->path();
  fs::resize_file(victim, fs::file_size(victim) - 3);
  std::ofstream(folder_ + "/note.schedule") << "not one\n";
  fs::create_directory(folder_ + "/0123.schedule");
  std::vector<std::string> warnings;
  EXPECT_EQ(opened(&warnings).schedules().size(), 1u);
  EXPECT_EQ(warnings.size(), 3u);
  EXPECT_TRUE(fs::exists(victim));
}

TEST_F(CorpusTest, schedules_of_other_programs_are_not_taken) {
  Corpus corpus = opened();
  Schedule other = schedule(1);
  other.program = "other";
  ASSERT_TRUE(corpus.add(other, &why_));
  EXPECT_TRUE(opened().schedules().empty());
}

// A limit on file sizes stands for a full disk: the same call fails, half way.
TEST_F(CorpusTest, a_full_disk_is_told_once_and_leaves_no_half_file) {
  Corpus corpus = opened();
  signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  getrlimit(RLIMIT_FSIZE, &former);
  const rlimit little{16, former.rlim_max};
  setrlimit(RLIMIT_FSIZE, &little);
  const bool first = corpus.add(schedule(1), &why_), second = corpus.add(schedule(2), &why_);
  setrlimit(RLIMIT_FSIZE, &former);
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);  // not tried
  EXPECT_NE(why_.find(folder_), std::string::npos);
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(corpus.added(), 0u);
}

TEST_F(CorpusTest, a_directory_that_cannot_be_is_refused) {
  std::ofstream(folder_ + "/file") << "x";
  Corpus corpus;
  std::vector<std::string> warnings;
  EXPECT_FALSE(corpus.open(folder_ + "/file", "prog", &why_, &warnings));
  EXPECT_NE(why_.find("--corpus"), std::string::npos);
}

}  // namespace
}  // namespace reprise::fuzz
