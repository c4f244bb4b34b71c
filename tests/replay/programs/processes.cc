// Children by fork, by fork and exec, and by posix_spawn; output through a pipe; their times.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>

namespace {
std::string read_all(int fd) {
  std::string text;
  char buffer[256];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, n);
  close(fd);
  return text;
}

std::string output_of(const char* command) {
  int ends[2];
  if (pipe(ends)) std::abort();
  if (fork() == 0) {
    dup2(ends[1], 1);
    execl("/bin/sh", "sh", "-c", command, nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string text = read_all(ends[0]);
  wait(nullptr);
  return text;
}

// A child that goes on without exec: real time, and threads of its own.
int child_with_threads() {
  const pid_t child = fork();
  if (child == 0) {
    int sum = 0;
    std::thread a([&] {
      for (int i = 0; i < 1000; ++i) sum += time(nullptr) > 0 && getppid() > 0;
    });
    std::thread b([] {
      for (int i = 0; i < 1000; ++i) getppid();
    });
    a.join();
    b.join();
    _exit(sum == 1000 ? 7 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}
}  // namespace

int main() {
  for (int i = 0; i < 100; ++i) getppid();
  const std::string date = output_of("date +%s%N; echo $$");
  pid_t spawned = 0;
  char name[] = "true";
  char* argv[] = {name, nullptr};
  const int failed = posix_spawn(&spawned, "/bin/true", nullptr, nullptr, argv, environ);
  int status = -1;
  waitpid(spawned, &status, 0);
  const int code = std::system("exit 3");
  std::printf("date %s spawn %d pid %d status %d system %d threads %d\n", date.c_str(), failed,
              spawned, status, WEXITSTATUS(code), child_with_threads());
}
