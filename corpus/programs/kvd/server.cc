// One goroutine accepts for each listener, one serves each connection: reads what there is, carries
// out every whole request in it, and writes the answers together.
#include "corpus/programs/kvd/server.h"

#include <cerrno>
#include <cstdio>
#include <mutex>

namespace kvd {
namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kFlushBytes = 256 << 10;  // answers to a long pipeline go out in pieces
constexpr size_t kKeysInSummary = 8;
constexpr size_t kValueInSummary = 64;

using Guard = std::lock_guard<reprise::Mutex>;

}  // namespace

bool Server::listen_on(const char* network, const std::string& address) {
  auto listener = reprise::net::listen(network, address);
  if (!listener) {
    std::fprintf(stderr, "kvd: %s\n", listener.error().message().c_str());
    return false;
  }
  std::printf("kvd: listening on %s\n", listener->address().text.c_str());
  listeners_.push_back(*std::move(listener));
  return true;
}

int Server::run() {
  if (options_.port && !listen_on("tcp", options_.bind + ":" + std::to_string(*options_.port))) return 1;
  if (!options_.unix_path.empty() && !listen_on("unix", options_.unix_path)) return 1;
  std::fflush(stdout);
  for (const auto& listener : listeners_) {
    accepting_.add();
    reprise::go([this, listener] {
      accept_all(listener);
      accepting_.done();
    });
  }
  accepting_.wait();
  stop();  // listeners that failed end the server too
  serving_.wait();
  print_summary();
  return 0;
}

void Server::accept_all(reprise::net::Listener listener) {
  for (;;) {
    auto conn = listener.accept();
    if (conn) {
      serving_.add();
      reprise::go([this, conn = *conn, id = arrive(*conn)] {
        serve(conn, id);
        leave(id);
        serving_.done();
      });
      continue;
    }
    if (conn.error().closed()) return;
    std::fprintf(stderr, "kvd: %s\n", conn.error().message().c_str());
    const bool passing = conn.error().is(EMFILE) || conn.error().is(ENFILE) ||
                         conn.error().is(ENOBUFS) || conn.error().is(ENOMEM);
    if (!passing) return stop();
    reprise::sleep_for(std::chrono::milliseconds(10));
  }
}

uint64_t Server::arrive(const reprise::net::Conn& conn) {
  Guard guard(mutex_);
  const uint64_t id = ++ids_;
  statistics_.connections++;
  statistics_.open++;
  if (idle_) idle_->stop();
  open_.emplace(id, conn);
  if (stopping_) (void)open_[id].close();
  return id;
}

void Server::leave(uint64_t id) {
  Guard guard(mutex_);
  open_.erase(id);
  statistics_.open--;
  departures_++;
  if (!open_.empty() || !options_.exit_after_idle) return;
  idle_ = reprise::after_func(*options_.exit_after_idle,
                              [this, departure = departures_] { idle_for_too_long(departure); });
}

void Server::idle_for_too_long(uint64_t departure) {
  {
    Guard guard(mutex_);
    if (!open_.empty() || departure != departures_) return;
  }
  stop();
}

void Server::stop() {
  std::map<uint64_t, reprise::net::Conn> open;
  {
    Guard guard(mutex_);
    if (stopping_) return;
    stopping_ = true;
    open = open_;
  }
  for (auto& listener : listeners_) (void)listener.close();
  for (auto& [id, conn] : open) (void)conn.close();
}

void Server::answer(reprise::net::Conn& conn, Session& session) {
  if (session.reply.empty()) return;
  if (!conn.write_all(session.reply.bytes())) session.quit = true;  // the client went away
  session.reply.clear();
}

void Server::serve(reprise::net::Conn conn, uint64_t id) {
  Session session{.store = &store_, .statistics = &statistics_, .id = id};
  RequestParser parser;
  while (!session.quit) {
    auto got = conn.read(parser.reserve(kReadBytes), kReadBytes);
    if (!got || *got == 0) break;
    parser.commit(*got);
    RequestParser::Outcome outcome;
    while ((outcome = parser.next()) == RequestParser::Outcome::request && !session.quit) {
      if (!parser.arguments().empty()) dispatch(session, parser.arguments());
      if (session.reply.bytes().size() >= kFlushBytes) answer(conn, session);
    }
    if (outcome == RequestParser::Outcome::protocol_error) {
      session.reply.error(parser.error());
      session.quit = true;
    }
    answer(conn, session);
  }
  (void)conn.close();  // closed already if the server is stopping
  if (session.shutdown) stop();
}

void Server::print_summary() {
  std::printf("kvd: %llu connections, %llu commands, %zu keys\n",
              static_cast<unsigned long long>(statistics_.connections.load()),
              static_cast<unsigned long long>(statistics_.commands.load()), store_.size());
  const std::vector<std::string> keys = store_.keys("*");
  for (size_t i = 0; i < keys.size() && i < kKeysInSummary; ++i) {
    const std::string value = store_.get(keys[i]).value_or("").substr(0, kValueInSummary);
    std::printf("kvd: %.64s = %s\n", keys[i].c_str(), value.c_str());
  }
  std::fflush(stdout);
}

}  // namespace kvd
