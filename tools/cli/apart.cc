// posix_spawn, a pidfd to wait with a limit, and a memory file for what is printed.
#include "tools/cli/apart.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace reprise::cli {

namespace {

using Words = std::vector<std::string>;

std::vector<char*> pointers(const Words& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string contents(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return {};
  std::string text(static_cast<size_t>(status.st_size), '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// 0, or errno.
int start(const Words& words, const Words& environment, int output, pid_t* pid) {
  std::vector<char*> argv = pointers(words), envp = pointers(environment);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, argv[0], &files, &how, argv.data(), envp.data());
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Whether it ended within the limit. Without a pidfd nothing can be waited for but the end.
bool ends_in_time(pid_t pid, int limit_ms) {
  const int watch = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (watch < 0) return true;
  pollfd poller{watch, POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&poller, 1, limit_ms)) < 0 && errno == EINTR) continue;
  close(watch);
  return ready != 0;
}

}  // namespace

int Ended::status() const { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -WTERMSIG(wait_status); }

Ended run_apart(const Words& argv, const Words& environment, int limit_ms) {
  Ended ended;
  const int output = memfd_create("output", MFD_CLOEXEC);
  pid_t pid = -1;
  ended.start_error = start(argv, environment, output, &pid);
  if (ended.start_error == 0) {
    ended.in_time = ends_in_time(pid, limit_ms);
    if (!ended.in_time) kill(-pid, SIGKILL);
    while (waitpid(pid, &ended.wait_status, 0) < 0 && errno == EINTR) continue;
  }
  ended.output = contents(output);
  close(output);
  return ended;
}

Words own_environment() {
  Words out;
  for (char** e = environ; *e != nullptr; ++e) out.emplace_back(*e);
  return out;
}

}  // namespace reprise::cli
