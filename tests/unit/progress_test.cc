// What long commands say: whole lines where nobody watches, one line on a terminal.
#include "tools/cli/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <memory>

namespace reprise::cli {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

std::string text_of(std::FILE* file) {
  std::rewind(file);
  char text[400];
  return {text, std::fread(text, 1, sizeof text, file)};
}

TEST(Progress, is_a_line_now_and_then_where_it_is_no_terminal) {
  const File often(std::tmpfile(), std::fclose), seldom(std::tmpfile(), std::fclose);
  {
    Progress always(often.get(), {}), never(seldom.get(), std::chrono::hours(24));
    for (const char* text : {"1 of 2", "2 of 2"}) always.say(text), never.say(text);
  }
  EXPECT_EQ(text_of(often.get()), "reprise: 1 of 2\nreprise: 2 of 2\n");
  EXPECT_EQ(text_of(seldom.get()), "");
}

TEST(Progress, is_one_line_on_a_terminal_and_goes_at_the_end) {
  int ours = -1, theirs = -1;
  ASSERT_EQ(openpty(&ours, &theirs, nullptr, nullptr, nullptr), 0);
  const File terminal(fdopen(theirs, "w"), std::fclose);
  {
    Progress progress(terminal.get(), std::chrono::hours(24));
    progress.say("1 of 2");
    progress.say("2 of 2");
  }
  std::fflush(terminal.get());
  char text[400];
  const ssize_t size = read(ours, text, sizeof text);
  EXPECT_EQ(std::string(text, static_cast<size_t>(std::max<ssize_t>(size, 0))),
            "\r1 of 2\x1b[K\r2 of 2\x1b[K\r\x1b[K");
  close(ours);
}

}  // namespace
}  // namespace reprise::cli
