// A failing run becomes a trace, and the trace is replayed before anybody is told of it.
//
// The tape that a run of a fork server leaves is a whole recording, boot included, so the trace is of the
// very run that failed: nothing has to happen a second time. Thread safety: one thread a server.
#pragma once

#include <string>

#include "tools/cli/launch.h"
#include "tools/fuzz/fork_server.h"

namespace reprise::fuzz {

struct Kept {
  std::string path;        // of the trace; empty if there is none
  bool confirmed = false;  // it replayed to the same end
  std::string trouble;     // why there is no trace, or how the replay ended instead
};

// Writes the trace of the server's last run to `path`, replacing what is there.
Kept keep(const Run& run, const ForkServer& server, const cli::Target& target, const std::string& path);

}  // namespace reprise::fuzz
