// The server of kvd: listeners, one goroutine a connection, and the reasons to end.
//
// Thread safety: stop() from any goroutine; the rest from the goroutine that made the server.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <reprise/net.h>
#include <reprise/reprise.h>

#include "corpus/programs/kvd/commands.h"
#include "corpus/programs/kvd/store.h"

namespace kvd {

struct Options {
  std::string bind = "127.0.0.1";
  std::optional<uint16_t> port;                 // 0: the kernel chooses
  std::string unix_path;                        // empty: none
  std::optional<Duration> exit_after_idle;      // counted from the last client's leaving
};

class Server {
 public:
  explicit Server(Options options) : options_(std::move(options)) {}

  // Listens and says where. Serves until stop(), then ends what is open. The exit status.
  int run();
  // Ends the server: no new connections, those that are open are closed.
  void stop();

 private:
  bool listen_on(const char* network, const std::string& address);
  void accept_all(reprise::net::Listener listener);
  void serve(reprise::net::Conn conn, uint64_t id);
  void answer(reprise::net::Conn& conn, Session& session);
  uint64_t arrive(const reprise::net::Conn& conn);
  void leave(uint64_t id);
  void idle_for_too_long(uint64_t departures);
  void print_summary();

  const Options options_;
  Store store_;
  Statistics statistics_;
  std::vector<reprise::net::Listener> listeners_;  // fixed before the first connection
  reprise::WaitGroup accepting_;
  reprise::WaitGroup serving_;

  reprise::Mutex mutex_;
  std::map<uint64_t, reprise::net::Conn> open_;  // mutex_
  uint64_t ids_ = 0;                             // mutex_
  uint64_t departures_ = 0;                      // mutex_: tells one idle time from the next
  bool stopping_ = false;                        // mutex_
  std::optional<reprise::Timer> idle_;                          // mutex_
};

}  // namespace kvd
