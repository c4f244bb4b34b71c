// os: files, directories, pipes, the process.
#include <reprise/os.h>

#include <errno.h>
#include <gtest/gtest.h>
#include <reprise/go.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>

#include "runtime/sched/proc.h"

namespace reprise::os {
namespace {

void wait_until_alone() {
  while (rt::num_goroutine() > 1) rt::gosched();
}

class OsTest : public testing::Test {
 protected:
  OsTest() {
    char pattern[] = "/tmp/reprise-os-XXXXXX";
    EXPECT_NE(mkdtemp(pattern), nullptr);
    dir_ = pattern;
  }
  ~OsTest() override { std::filesystem::remove_all(dir_); }
  std::string path(const std::string& name) { return dir_ + "/" + name; }
  std::string dir_;
};

TEST_F(OsTest, what_was_written_is_read) {
  ASSERT_TRUE(write_file(path("a"), "some text").ok());
  auto text = read_file(path("a"));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "some text");
}

TEST_F(OsTest, large_file_is_read_whole) {
  std::string sent;
  for (int i = 0; sent.size() < (5u << 20); ++i) sent += std::to_string(i) + "\n";
  ASSERT_TRUE(write_file(path("large"), sent).ok());
  auto text = read_file(path("large"));
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(*text == sent);
}

TEST_F(OsTest, missing_file_names_itself) {
  auto file = open(path("none"));
  ASSERT_FALSE(file.ok());
  EXPECT_TRUE(file.error().is(ENOENT));
  EXPECT_EQ(file.error().message(), "open " + path("none") + ": no such file or directory");
}

TEST_F(OsTest, seek_moves_and_read_full_reports_the_end) {
  ASSERT_TRUE(write_file(path("s"), "0123456789").ok());
  File file = *open(path("s"));
  EXPECT_EQ(*file.seek(-3, Whence::end), 7);
  char buffer[4];
  ASSERT_TRUE(file.read_full(buffer, 3).ok());
  EXPECT_EQ(std::string(buffer, 3), "789");
  EXPECT_EQ(*file.read(buffer, 4), 0u);
  EXPECT_EQ(*file.seek(8), 8);
  EXPECT_TRUE(file.read_full(buffer, 4).error().end_of_file());
  EXPECT_EQ(file.seek(-1).error().code(), EINVAL);
}

TEST_F(OsTest, positioned_reads_and_writes_leave_the_position) {
  File file = *create(path("p"));
  ASSERT_TRUE(file.write_all("aaaa").ok());
  ASSERT_TRUE(file.write_at("bb", 2, 1).ok());
  ASSERT_TRUE(file.write_all("cc").ok());
  char buffer[8];
  auto got = file.read_at(buffer, 8, 0);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(std::string(buffer, *got), "abbacc");
}

TEST_F(OsTest, stat_and_truncate) {
  File file = *create(path("t"));
  ASSERT_TRUE(file.write_all("12345678").ok());
  EXPECT_EQ(file.stat()->size, 8);
  EXPECT_EQ(file.stat()->name, "t");
  EXPECT_EQ(file.stat()->type, FileType::regular);
  ASSERT_TRUE(file.truncate(3).ok());
  ASSERT_TRUE(file.sync().ok());
  EXPECT_EQ(stat(path("t"))->size, 3);
  EXPECT_EQ(stat(dir_)->type, FileType::directory);
  EXPECT_TRUE(stat(path("none")).error().is(ENOENT));
}

TEST_F(OsTest, directory_entries_come_by_name) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(write_file(path(name), "").ok());
  ASSERT_TRUE(mkdir(path("d")).ok());
  auto entries = open(dir_)->readdir();
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 4u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[3].name, "d");
  EXPECT_EQ((*entries)[3].type, FileType::directory);
  EXPECT_TRUE(open(path("a"))->readdir().error().is(ENOTDIR));
}

TEST_F(OsTest, large_directory_is_read_whole) {
  for (int i = 0; i < 1500; ++i) {
    ASSERT_TRUE(write_file(path("file-with-a-rather-long-name-" + std::to_string(i)), "").ok());
  }
  EXPECT_EQ(open(dir_)->readdir()->size(), 1500u);
}

TEST_F(OsTest, remove_and_rename) {
  ASSERT_TRUE(write_file(path("x"), "1").ok());
  ASSERT_TRUE(rename(path("x"), path("y")).ok());
  EXPECT_TRUE(stat(path("x")).error().is(ENOENT));
  ASSERT_TRUE(remove(path("y")).ok());
  ASSERT_TRUE(mkdir(path("empty")).ok());
  ASSERT_TRUE(remove(path("empty")).ok());
  EXPECT_TRUE(remove(path("y")).error().is(ENOENT));
}

TEST_F(OsTest, closed_file_says_so) {
  File file = *create(path("z"));
  ASSERT_TRUE(file.close().ok());
  char byte;
  EXPECT_TRUE(file.read(&byte, 1).error().closed());
  EXPECT_TRUE(file.write_all("x").error().closed());
  EXPECT_TRUE(file.stat().error().closed());
  EXPECT_TRUE(file.close().error().closed());
  EXPECT_TRUE(File().close().error().closed());
}

TEST_F(OsTest, files_have_no_deadlines) {
  File file = *create(path("dl"));
  EXPECT_TRUE(file.set_deadline(now()).error().is(ENOTSUP));
}

TEST_F(OsTest, many_goroutines_read_many_files) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(write_file(path(std::to_string(i)), std::string(i * 1000, 'x')).ok());
  }
  std::atomic<int> right = 0;
  for (int i = 0; i < 50; ++i) {
    go([&, i] { right += read_file(path(std::to_string(i)))->size() == i * 1000u; });
  }
  wait_until_alone();
  EXPECT_EQ(right.load(), 50);
}

// ---- pipes ------------------------------------------------------------------------------------

TEST(OsPipe, reader_waits_for_the_writer) {
  Pipe ends = *pipe();
  std::string received;
  go([&] {
    char buffer[16];
    auto got = ends.reader.read(buffer, sizeof buffer);
    ASSERT_TRUE(got.ok());
    received.assign(buffer, *got);
  });
  rt::gosched();
  EXPECT_EQ(received, "");
  ASSERT_TRUE(ends.writer.write_all("through a pipe").ok());
  wait_until_alone();
  EXPECT_EQ(received, "through a pipe");
}

TEST(OsPipe, more_than_it_holds_goes_through) {
  Pipe ends = *pipe();
  const std::string sent(3 << 20, 'p');
  go([&] {
    EXPECT_TRUE(ends.writer.write_all(sent).ok());
    EXPECT_TRUE(ends.writer.close().ok());
  });
  auto received = ends.reader.read_all();
  ASSERT_TRUE(received.ok());
  EXPECT_TRUE(*received == sent);
  wait_until_alone();
}

TEST(OsPipe, close_wakes_the_reader) {
  Pipe ends = *pipe();
  bool closed = false;
  go([&] {
    char byte;
    closed = ends.reader.read(&byte, 1).error().closed();
  });
  rt::gosched();
  ASSERT_TRUE(ends.reader.close().ok());
  wait_until_alone();
  EXPECT_TRUE(closed);
}

TEST(OsPipe, writing_without_a_reader_is_an_error_and_no_signal) {
  Pipe ends = *pipe();
  ASSERT_TRUE(ends.reader.close().ok());
  EXPECT_TRUE(ends.writer.write_all("x").error().is(EPIPE));
  EXPECT_TRUE(ends.writer.write_all("x").error().is(EPIPE));
}

TEST(OsPipe, deadline_ends_a_read) {
  Pipe ends = *pipe();
  ASSERT_TRUE(
      ends.reader.set_deadline(now() + std::chrono::milliseconds(2)).ok());
  char byte;
  EXPECT_TRUE(ends.reader.read(&byte, 1).error().timeout());
}

TEST_F(OsTest, fifo_opens_once_both_ends_are_there_and_polls) {
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  std::string received;
  go([&] { received = *open(path("fifo"))->read_all(); });  // open waits for a writer, on a worker
  File writer = *open(path("fifo"), O_WRONLY);
  ASSERT_TRUE(writer.write_all("fifo").ok());
  ASSERT_TRUE(writer.close().ok());
  wait_until_alone();
  EXPECT_EQ(received, "fifo");
}

// ---- process ----------------------------------------------------------------------------------

TEST(OsProcess, args_and_environment) {
  ASSERT_FALSE(args().empty());
  EXPECT_NE(args()[0].find("os_test"), std::string::npos);
  ASSERT_EQ(setenv("REPRISE_OS_TEST", "value", 1), 0);
  EXPECT_EQ(os::getenv("REPRISE_OS_TEST"), "value");
  EXPECT_EQ(os::getenv("REPRISE_NOT_SET"), std::nullopt);
}

TEST(OsProcess, exit_flushes_stdio_and_gives_the_status) {
  EXPECT_EXIT(({
                static char buffer[256];
                setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
                fputs("flushed", stderr);
                exit(7);
              }),
              testing::ExitedWithCode(7), "flushed");
}

}  // namespace
}  // namespace reprise::os
