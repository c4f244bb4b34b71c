// What a command that takes long says meanwhile on stderr: on a terminal one line that changes, elsewhere a line of its own now and then.
//
// One thread.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace reprise::cli {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  // `every`: between two lines where it is no terminal.
  explicit Progress(std::FILE* to = stderr, Clock::duration every = std::chrono::seconds(5));
  ~Progress();  // takes the line away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // One line, without its end.
  void say(const std::string& text);

 private:
  std::FILE* to_;
  const bool terminal_;
  const Clock::duration every_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace reprise::cli
