// Children of vfork and posix_spawn, which run in their parent's memory: what they leave there, what
// they must not change, and how the parent hears of a program that is not there.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

namespace {

void on_usr1(int) {}

int status_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// 1 if the child's store is seen, its descriptors and signal actions are its own, and it ended as told.
int shares_memory_alone() {
  struct sigaction ours {};
  ours.sa_handler = on_usr1;
  sigaction(SIGUSR1, &ours, nullptr);
  volatile int seen = 0;
  const pid_t child = vfork();
  if (child == 0) {
    seen = getpid();
    close(1);
    struct sigaction other {};
    other.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &other, nullptr);
    _exit(5);
  }
  struct sigaction now {};
  sigaction(SIGUSR1, nullptr, &now);
  return seen == child && now.sa_handler == on_usr1 && fcntl(1, F_GETFD) >= 0 &&
         WEXITSTATUS(status_of(child)) == 5;
}

int killed_child() {
  const pid_t child = vfork();
  if (child == 0) {
    kill(getpid(), SIGKILL);
    _exit(1);
  }
  return WTERMSIG(status_of(child));
}

// The child looks in vain before it finds its program, as a shell does along PATH.
int second_try() {
  char name[] = "sh", option[] = "-c", script[] = "exit 6";
  char* argv[] = {name, option, script, nullptr};
  const pid_t child = vfork();
  if (child == 0) {
    execv("/nowhere/sh", argv);
    execv("/bin/sh", argv);
    _exit(127);
  }
  return WEXITSTATUS(status_of(child));
}

int spawn(const char* path) {
  pid_t child = 0;
  char name[] = "x";
  char* argv[] = {name, nullptr};
  const int failed = posix_spawn(&child, path, nullptr, nullptr, argv, environ);
  return failed ? failed : status_of(child);
}

// Others go on meanwhile.
int beside_threads() {
  int good = 0;
  std::thread other([] {
    for (int i = 0; i < 500; ++i) {
      getppid();
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 10; ++i) good += spawn("/bin/true") == 0;
  other.join();
  return good;
}

}  // namespace

int main() {
  std::printf("shared %d killed %d second %d true %d missing %d beside %d\n", shares_memory_alone(), killed_child(),
              second_try(), spawn("/bin/true"), spawn("/nowhere/true"), beside_threads());
}
