// The commands of kvd: names, arities, what they answer.
//
// Thread safety: dispatch() from any goroutine; a Session belongs to one.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/programs/kvd/resp.h"
#include "corpus/programs/kvd/store.h"

namespace kvd {

using Arguments = std::vector<std::string_view>;

// Counted over the life of the server.
struct Statistics {
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> commands{0};
};

// One connection's state.
struct Session {
  Store* store;
  Statistics* statistics;
  uint64_t id;
  std::string name;
  Reply reply;
  bool quit = false;      // close the connection once the reply is out
  bool shutdown = false;  // end the server
};

// Carries out one request and appends its answer to session.reply. REQUIRES: not empty.
void dispatch(Session& session, const Arguments& arguments);

}  // namespace kvd
