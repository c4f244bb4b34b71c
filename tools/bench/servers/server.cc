// reprise-bench-server echo|http|sessions: the server whose CPU time a request is measured; its peer is server.go, step by step.
//
// Listens on a port of the kernel's choice at 127.0.0.1, prints it, and serves until it is killed. echo returns what it
// reads. http answers each GET of a kept-alive connection with thirteen bytes of text: a request ends with an empty line,
// several may come in one read, and one may come in several. sessions does the same, and makes a session for each request: 66
// collected objects of 5 KB together, which live until 10,000 others have come.
#include <reprise/gc.h>
#include <reprise/reprise.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

struct SessionItem {
  reprise::gc::Ptr<SessionItem> next;
  uint64_t key = 0;
  uint64_t payload[6] = {};
};
REPRISE_GC_FIELDS(SessionItem, next)

struct Session {
  reprise::gc::Ptr<SessionItem> items;
  reprise::gc::Ptr<char> body;
  uint64_t keys = 0;
};
REPRISE_GC_FIELDS(Session, items, body)

namespace {

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n";
constexpr std::string_view kEndOfRequest = "\r\n\r\n";
constexpr size_t kBuffer = 4096;

void echo(reprise::net::Conn conn) {
  char buffer[kBuffer];
  while (true) {
    const auto n = conn.read(buffer, sizeof buffer);
    if (!n.ok() || *n == 0) break;
    if (!conn.write_all(buffer, *n).ok()) break;
  }
  (void)conn.close();
}

class Sessions {
 public:
  void add() {
    const auto session = reprise::gc::make<Session>();
    for (uint64_t key = 0; key < kItems; ++key) {
      const auto item = reprise::gc::make<SessionItem>();
      item->key = key;
      item->next = session->items;
      session->items = item;
      session->keys += key;
    }
    session->body = reprise::gc::make_array<char>(kBody);
    check(replace(session));
  }

 private:
  static constexpr uint64_t kItems = 64, kBody = 1024, kSessions = 10'000;
  using Pointer = reprise::gc::Ptr<Session>;

  Pointer replace(const Pointer& session) {
    const std::lock_guard<reprise::Mutex> held(mutex_);
    if (ring_ == nullptr) ring_ = reprise::gc::make_array<Pointer>(kSessions);
    Pointer& place = ring_[next_++ % kSessions];
    const Pointer before = place;
    place = session;
    return before;
  }

  // What is thrown away is whole.
  static void check(const Pointer& session) {
    if (session == nullptr) return;
    uint64_t keys = 0;
    for (const SessionItem* item = session->items.get(); item != nullptr; item = item->next.get()) keys += item->key;
    if (keys != session->keys) std::abort();
  }

  reprise::Mutex mutex_;
  reprise::gc::Ptr<Pointer> ring_;
  uint64_t next_ = 0;
};
Sessions sessions;

using Work = void (*)();
void no_work() {}
void add_session() { sessions.add(); }

// Answers the whole requests at the front of the buffer; how many bytes they took, or -1.
ptrdiff_t answer_all(reprise::net::Conn& conn, std::string_view text, Work work) {
  size_t taken = 0;
  while (true) {
    const size_t end = text.find(kEndOfRequest, taken);
    if (end == std::string_view::npos) return static_cast<ptrdiff_t>(taken);
    if (!text.substr(taken).starts_with("GET ")) return -1;
    work();
    if (!conn.write_all(kAnswer).ok()) return -1;
    taken = end + kEndOfRequest.size();
  }
}

template <Work work>
void http(reprise::net::Conn conn) {
  char buffer[kBuffer];
  size_t held = 0;
  while (held < sizeof buffer) {
    const auto n = conn.read(buffer + held, sizeof buffer - held);
    if (!n.ok() || *n == 0) break;
    held += *n;
    const ptrdiff_t taken = answer_all(conn, {buffer, held}, work);
    if (taken < 0) break;
    held -= static_cast<size_t>(taken);
    std::memmove(buffer, buffer + taken, held);
  }
  (void)conn.close();
}

using Serve = void (*)(reprise::net::Conn);
Serve server_of(std::string_view kind) {
  if (kind == "echo") return echo;
  if (kind == "http") return http<no_work>;
  if (kind == "sessions") return http<add_session>;
  return nullptr;
}

}  // namespace

int app(int argc, char** argv) {
  const Serve serve = server_of(argc == 2 ? argv[1] : "");
  if (serve == nullptr) return std::fprintf(stderr, "usage: reprise-bench-server echo|http|sessions\n"), 64;
  auto listener = reprise::net::listen("tcp", "127.0.0.1:0");
  if (!listener.ok()) return std::fprintf(stderr, "%s\n", listener.error().message().c_str()), 1;
  std::printf("%d\n", listener->address().port);
  std::fflush(stdout);
  while (true) {
    auto conn = listener->accept();
    if (!conn.ok()) return std::fprintf(stderr, "%s\n", conn.error().message().c_str()), 1;
    reprise::go([accepted = *std::move(conn), serve]() mutable { serve(std::move(accepted)); });
  }
}
REPRISE_MAIN(app)
