// Progress: the line of a terminal is written over; a pipe or a file gets whole lines.
#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace reprise::cli {

Progress::Progress(std::FILE* to, Clock::duration every) : to_(to), terminal_(isatty(fileno(to)) != 0), every_(every) {}

Progress::~Progress() {
  if (terminal_) fmt::print(to_, "\r\x1b[K");
}

void Progress::say(const std::string& text) {
  if (terminal_) {
    fmt::print(to_, "\r{}\x1b[K", text);
  } else if (const Clock::time_point now = Clock::now(); now - last_ >= every_) {
    last_ = now;
    fmt::print(to_, "reprise: {}\n", text);
  }
  std::fflush(to_);
}

}  // namespace reprise::cli
