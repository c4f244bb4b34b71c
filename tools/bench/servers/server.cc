// reprise-bench-server echo|http: the server whose CPU time a request is measured; its peer is server.go, step by step.
//
// Listens on a port of the kernel's choice at 127.0.0.1, prints it, and serves until it is killed. echo returns what it
// reads. http answers each GET of a kept-alive connection with thirteen bytes of text: a request ends with an empty line,
// several may come in one read, and one may come in several.
#include <reprise/reprise.h>

#include <cstdio>
#include <cstring>
#include <string_view>

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

// Answers the whole requests at the front of the buffer; how many bytes they took, or -1.
ptrdiff_t answer_all(reprise::net::Conn& conn, std::string_view text) {
  size_t taken = 0;
  while (true) {
    const size_t end = text.find(kEndOfRequest, taken);
    if (end == std::string_view::npos) return static_cast<ptrdiff_t>(taken);
    if (!text.substr(taken).starts_with("GET ")) return -1;
    if (!conn.write_all(kAnswer).ok()) return -1;
    taken = end + kEndOfRequest.size();
  }
}

void http(reprise::net::Conn conn) {
  char buffer[kBuffer];
  size_t held = 0;
  while (held < sizeof buffer) {
    const auto n = conn.read(buffer + held, sizeof buffer - held);
    if (!n.ok() || *n == 0) break;
    held += *n;
    const ptrdiff_t taken = answer_all(conn, {buffer, held});
    if (taken < 0) break;
    held -= static_cast<size_t>(taken);
    std::memmove(buffer, buffer + taken, held);
  }
  (void)conn.close();
}

}  // namespace

int app(int argc, char** argv) {
  const std::string_view kind = argc == 2 ? argv[1] : "";
  if (kind != "echo" && kind != "http") return std::fprintf(stderr, "usage: reprise-bench-server echo|http\n"), 64;
  auto listener = reprise::net::listen("tcp", "127.0.0.1:0");
  if (!listener.ok()) return std::fprintf(stderr, "%s\n", listener.error().message().c_str()), 1;
  std::printf("%d\n", listener->address().port);
  std::fflush(stdout);
  while (true) {
    auto conn = listener->accept();
    if (!conn.ok()) return std::fprintf(stderr, "%s\n", conn.error().message().c_str()), 1;
    reprise::go([accepted = *std::move(conn), serve = kind == "echo" ? echo : http]() mutable { serve(std::move(accepted)); });
  }
}
REPRISE_MAIN(app)
