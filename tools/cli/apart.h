// A command in a process group of its own, out of reach of a Ctrl-C, with nothing to read; what it prints is collected.
//
// Thread safety: any thread.
#pragma once

#include <string>
#include <vector>

namespace reprise::cli {

struct Ended {
  int start_error = 0;    // errno; 0: it was started
  bool in_time = true;    // false: killed, with all of its group
  int wait_status = 0;
  std::string output;     // stdout and stderr, as they came

  // Exit status, or minus the signal. REQUIRES: it was started.
  int status() const;
};

// argv[0] is the path. `environment` in the form NAME=VALUE. Blocks until it ended, at most for `limit_ms`.
Ended run_apart(const std::vector<std::string>& argv, const std::vector<std::string>& environment, int limit_ms);

// This process's environment.
std::vector<std::string> own_environment();

}  // namespace reprise::cli
