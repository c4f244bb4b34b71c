// Leaves a child process behind, `sleep SECONDS`, and then loses an update, which it panics about.
#include <reprise/atomic.h>
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/panic.h>
#include <reprise/sync.h>
#include <spawn.h>
#include <unistd.h>

namespace {

int app(int argc, char** argv) {
  if (argc < 2) return 64;
  char name[] = "sleep";
  char* const words[] = {name, argv[1], nullptr};
  posix_spawn_file_actions_t without_streams;  // or a recording would wait for what it might still print
  posix_spawn_file_actions_init(&without_streams);
  for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addclose(&without_streams, fd);
  pid_t child;
  if (posix_spawn(&child, "/bin/sleep", &without_streams, nullptr, words, environ) != 0) return 65;
  static reprise::Atomic<int> count{0};
  reprise::WaitGroup both(2);
  for (int i = 0; i < 2; ++i) {
    reprise::go([both]() mutable {
      count.store(count.load() + 1);
      both.done();
    });
  }
  both.wait();
  if (count.load() != 2) reprise::panic("an update was lost");
  return 0;
}

}  // namespace

REPRISE_MAIN(app)
