// Changes the identity of all threads while another goroutine stands preempted in a computation.
#include <dlfcn.h>
#include <reprise/reprise.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace {

std::atomic<bool> computing{false}, changed{false};

// What a library that is loaded later calls.
int change_to(uid_t id) {
  const auto found = reinterpret_cast<int (*)(uid_t)>(dlsym(RTLD_DEFAULT, "setuid"));
  return found(id);
}

int identity() {
  reprise::WaitGroup done(1);
  reprise::go([done]() mutable {
    computing.store(true);
    while (!changed.load(std::memory_order_relaxed)) {}
    done.done();
  });
  while (!computing.load()) reprise::yield();
  const pid_t child = fork();
  if (child == 0) _exit(change_to(getuid()) == 0 ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("child %d\n", status);
  std::fflush(stdout);
  const bool ok = change_to(getuid()) == 0;
  std::printf("%s\n", ok ? "changed" : "not changed");
  changed.store(true);
  done.wait();
  return 0;
}

}  // namespace

REPRISE_MAIN(identity)
