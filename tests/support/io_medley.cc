// io_medley: one program that uses every kind of input and output at once, for recording and
// replaying. What it prints does not depend on the schedule.
//
//   io_medley DIRECTORY [storm]      an empty directory for its files and sockets; with `storm` a timer
//                                    signal interrupts it all the while
#include <signal.h>
#include <sys/time.h>

#include <cstdio>
#include <string>
#include <vector>

#include <reprise/reprise.h>

namespace {

using std::chrono::milliseconds;

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "io_medley: %s failed\n", what);
  reprise::os::exit(1);
}

volatile sig_atomic_t interruptions = 0;

void start_storm() {
  struct sigaction action {};
  action.sa_handler = [](int) { interruptions = interruptions + 1; };
  action.sa_flags = SA_ONSTACK;  // no SA_RESTART: calls fail with EINTR
  check(sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  const itimerval every{{0, 300}, {0, 300}};
  check(setitimer(ITIMER_REAL, &every, nullptr) == 0, "setitimer");
}

void end_storm() {
  while (interruptions < 5) reprise::sleep_for(milliseconds(1));
  const itimerval never{};
  check(setitimer(ITIMER_REAL, &never, nullptr) == 0, "setitimer");
}

std::string text_of(char name, size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += name + std::to_string(i) + " ";
  return text;
}

std::string read_to_end(reprise::net::Conn& conn) {
  std::string all;
  char buffer[3000];
  for (;;) {
    auto got = conn.read(buffer, sizeof buffer);
    check(got.ok(), "read to the end");
    if (*got == 0) return all;
    all.append(buffer, *got);
  }
}

// An echo server that ends when its listener is closed; a client that half-closes.
size_t echo(const char* network, const std::string& address, const std::string& dialled) {
  auto listener = reprise::net::listen(network, address);
  check(listener.ok(), "listen");
  const std::string port = std::to_string(listener->address().port);
  reprise::WaitGroup server(1);
  reprise::go([listener = *listener, server]() mutable {
    for (;;) {
      auto conn = listener.accept();
      if (!conn) break;
      reprise::go([conn = *conn]() mutable {
        const std::string all = read_to_end(conn);
        check(conn.write_all(all).ok(), "echo");
        check(conn.close().ok(), "close");
      });
    }
    server.done();
  });
  size_t echoed = 0;
  reprise::Mutex mutex;
  reprise::WaitGroup clients;
  for (int i = 0; i < 5; ++i) {
    clients.add();
    reprise::go([&, i] {
      auto conn = reprise::net::dial(network, dialled.empty() ? address : dialled + ":" + port);
      check(conn.ok(), "dial");
      const std::string sent = text_of(static_cast<char>('a' + i), 20000 * i);
      check(conn->write_all(sent).ok(), "write");
      check(conn->close_write().ok(), "half-close");
      const std::string back = read_to_end(*conn);
      check(back == sent, "comparison of the echo");
      mutex.lock();
      echoed += back.size();
      mutex.unlock();
      clients.done();
    });
  }
  clients.wait();
  check(listener->close().ok(), "close of the listener");
  server.wait();
  return echoed;
}

size_t through_a_pipe() {
  auto ends = reprise::os::pipe();
  check(ends.ok(), "pipe");
  reprise::go([writer = ends->writer]() mutable {
    check(writer.write_all(text_of('p', 200000)).ok(), "write to the pipe");
    check(writer.close().ok(), "close of the pipe");
  });
  auto all = ends->reader.read_all();
  check(all.ok() && *all == text_of('p', 200000), "read from the pipe");
  return all->size();
}

size_t through_files(const std::string& folder) {
  reprise::Chan<size_t> sizes;
  for (int i = 0; i < 6; ++i) {
    reprise::go([=]() mutable {
      const std::string path = folder + "/file" + std::to_string(i);
      check(reprise::os::write_file(path, text_of('f', 5000 * i)).ok(), "write_file");
      auto text = reprise::os::read_file(path);
      check(text.ok() && *text == text_of('f', 5000 * i), "read_file");
      sizes.send(text->size());
    });
  }
  size_t total = 0;
  for (int i = 0; i < 6; ++i) total += *sizes.recv();
  auto dir = reprise::os::open(folder);
  check(dir.ok() && dir->readdir()->size() == 6, "readdir");
  for (int i = 0; i < 6; ++i) {
    check(reprise::os::remove(folder + "/file" + std::to_string(i)).ok(), "remove");
  }
  return total;
}

int deadlines() {
  auto ends = reprise::os::pipe();
  int timeouts = 0;
  for (int i = 1; i <= 3; ++i) {
    check(ends->reader.set_deadline(reprise::now() + milliseconds(i)).ok(), "set_deadline");
    char byte;
    timeouts += ends->reader.read(&byte, 1).error().timeout();
  }
  return timeouts;
}

// The same on a thread of its own.
char on_a_locked_thread(const std::string& folder) {
  auto there = reprise::os::pipe(), back = reprise::os::pipe();
  reprise::go([=, reader = there->reader, writer = back->writer]() mutable {
    reprise::lock_os_thread();
    char byte = 0;
    check(reader.read_full(&byte, 1).ok(), "read on a locked thread");
    check(reprise::os::stat(folder).ok(), "stat on a locked thread");
    ++byte;
    check(writer.write_all(&byte, 1).ok(), "write on a locked thread");
  });
  reprise::sleep_for(milliseconds(1));
  check(there->writer.write_all("a").ok(), "write to a locked thread");
  char byte = 0;
  check(back->reader.read_full(&byte, 1).ok(), "read from a locked thread");
  return byte;
}

bool close_wakes_a_reader() {
  auto ends = reprise::os::pipe();
  reprise::Chan<bool> woken;
  reprise::go([=, reader = ends->reader]() mutable {
    char byte;
    woken.send(reader.read(&byte, 1).error().closed());
  });
  reprise::sleep_for(milliseconds(1));
  check(ends->reader.close().ok(), "close of a pipe that is read");
  return *woken.recv();
}

int app(int argc, char** argv) {
  check(argc == 2 || argc == 3, "arguments");
  if (argc == 3) start_storm();
  const std::string folder = argv[1];
  std::printf("tcp by number: %zu\n", echo("tcp", "127.0.0.1:0", "127.0.0.1"));
  std::printf("tcp by name: %zu\n", echo("tcp4", "127.0.0.1:0", "localhost"));
  std::printf("unix: %zu\n", echo("unix", folder + "/socket", ""));
  std::printf("pipe: %zu\n", through_a_pipe());
  std::printf("files: %zu\n", through_files(folder));
  std::printf("timeouts: %d\n", deadlines());
  std::printf("woken by close: %d\n", close_wakes_a_reader());
  std::printf("locked thread: %c\n", on_a_locked_thread(folder));
  auto refused = reprise::net::dial("unix", folder + "/nobody");
  std::printf("%s\n", refused.ok() ? "?" : refused.error().message().substr(0, 9).c_str());
  if (argc == 3) end_storm();
  return 0;
}

}  // namespace

REPRISE_MAIN(app)
