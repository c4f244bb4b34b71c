// Starting `reprise record`, and judging what came of it.
//
// Invariant: a trace that is left behind failed as the schedule did. One that ends otherwise is removed: it would
// only mislead.
#include "tools/testing/trace.h"

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
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

namespace reprise::testing {

namespace {

constexpr int kLimitMs = 60'000;
// Of `reprise record` itself (tools/cli/command.h): nothing was started, bad trace, could not follow, cut off.
constexpr int kOwnStatuses[] = {64, 65, 70, 74};

using Words = std::vector<std::string>;

std::vector<char*> pointers(const Words& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

bool executable(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

// REPRISE_COMMAND, the one that this library was built or installed with, or PATH's; empty: none.
std::string find_command() {
  if (const char* given = std::getenv("REPRISE_COMMAND")) return executable(given) ? given : "";
  for (const std::string path : {REPRISE_BUILT_COMMAND, REPRISE_INSTALLED_COMMAND}) {
    if (executable(path)) return path;
  }
  std::istringstream folders(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (executable(folder + "/reprise")) return folder + "/reprise";
  }
  return {};
}

Words own_arguments() {
  Words words;
  const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(fd);
  for (size_t at = 0; at < text.size(); at += std::strlen(text.c_str() + at) + 1) words.emplace_back(text.c_str() + at);
  if (!words.empty()) words.erase(words.begin());
  return words;
}

Words blank_separated(const std::string& text) {
  std::istringstream words(text);
  Words out;
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

std::string own_path() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

Words environment_with(const std::string& schedule) {
  Words out{"REPRISE_REPLAY=" + schedule};
  for (char** e = environ; *e != nullptr; ++e) {
    if (std::strncmp(*e, "REPRISE_REPLAY=", 15) != 0) out.emplace_back(*e);
  }
  return out;
}

struct Ended {
  bool started = false, in_time = true;
  int status = 0;
  std::string output;
};

std::string contents(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return {};
  std::string text(static_cast<size_t>(status.st_size), '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

pid_t start(const Words& words, const Words& environment, int output) {
  std::vector<char*> argv = pointers(words), envp = pointers(environment);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);  // so that all of it can be ended
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, argv[0], &files, &how, argv.data(), envp.data());
  posix_spawnattr_destroy(&how);
  posix_spawn_file_actions_destroy(&files);
  return failed == 0 ? pid : -1;
}

Ended run(const Words& words, const Words& environment) {
  Ended ended;
  const int output = memfd_create("record", MFD_CLOEXEC);
  const pid_t pid = start(words, environment, output);
  ended.started = pid > 0;
  if (ended.started) {
    const int watch = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    pollfd poller{watch, POLLIN, 0};
    int ready = 0;
    while ((ready = poll(&poller, 1, kLimitMs)) < 0 && errno == EINTR) continue;
    ended.in_time = ready != 0;
    if (!ended.in_time) kill(-pid, SIGKILL);
    while (waitpid(pid, &ended.status, 0) < 0 && errno == EINTR) continue;
    if (watch >= 0) close(watch);
  }
  ended.output = contents(output);
  close(output);
  return ended;
}

bool is_own_status(int status) {
  if (!WIFEXITED(status)) return false;
  for (const int own : kOwnStatuses)
    if (WEXITSTATUS(status) == own) return true;
  return false;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// What the runtime or repeat_recorded() prints of such a failure.
std::string words_of(const Failure& failure) {
  switch (failure.kind) {
    case FailureKind::leak: return "all goroutines are asleep";
    case FailureKind::race: return "DATA RACE";
    case FailureKind::crash: case FailureKind::exited: return "";
    default: return failure.message.substr(0, failure.message.find('\n'));
  }
}

std::string trouble_of(const Ended& ended, const Failure& failure) {
  if (!ended.started) return "reprise record cannot be started";
  if (!ended.in_time) return "the schedule did not end under the stage";
  if (is_own_status(ended.status)) return last_line(ended.output);
  if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0) return "the schedule does not fail under the stage";
  if (ended.output.find(words_of(failure)) == std::string::npos) return "the schedule fails otherwise under the stage";
  return {};
}

}  // namespace

void record_trace(const ExploreOptions& options, Failure* failure) {
  const std::string reprise = find_command();
  if (reprise.empty()) {
    failure->trace_trouble = "the reprise command is neither at REPRISE_COMMAND nor in PATH";
    return;
  }
  const std::string path = failure->file.substr(0, failure->file.rfind('.')) + ".rpz";
  Words words{reprise, "record", "--seed", "1", "-o", path, "--", own_path()};
  const Words arguments = options.replay_arguments.empty() ? own_arguments() : blank_separated(options.replay_arguments);
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Ended ended = run(words, environment_with(failure->file));
  failure->trace_trouble = trouble_of(ended, *failure);
  if (failure->trace_trouble.empty()) {
    failure->trace = path;
  } else if (ended.started) {
    unlink(path.c_str());
  }
}

}  // namespace reprise::testing
