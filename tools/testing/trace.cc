// Starting `reprise record`, and judging what came of it.
//
// Invariant: a trace that is left behind failed as the schedule did. One that ends otherwise is removed: it would
// only mislead.
#include "tools/testing/trace.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>
#include <vector>

#include "tools/cli/apart.h"

namespace reprise::testing {

namespace {

constexpr int kLimitMs = 60'000;
// Of `reprise record` itself (tools/cli/command.h): nothing was started, bad trace, could not follow, cut off.
constexpr int kOwnStatuses[] = {64, 65, 70, 74};

using Words = std::vector<std::string>;

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
  for (std::string& word : cli::own_environment()) {
    if (!word.starts_with("REPRISE_REPLAY=")) out.push_back(std::move(word));
  }
  return out;
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

std::string trouble_of(const cli::Ended& ended, const Failure& failure) {
  if (ended.start_error != 0) return "reprise record cannot be started";
  if (!ended.in_time) return "the schedule did not end under the stage";
  if (is_own_status(ended.wait_status)) return last_line(ended.output);
  if (WIFEXITED(ended.wait_status) && WEXITSTATUS(ended.wait_status) == 0) return "the schedule does not fail under the stage";
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
  const cli::Ended ended = cli::run_apart(words, environment_with(failure->file), kLimitMs);
  failure->trace_trouble = trouble_of(ended, *failure);
  if (failure->trace_trouble.empty()) {
    failure->trace = path;
  } else if (ended.start_error == 0) {
    unlink(path.c_str());
  }
}

}  // namespace reprise::testing
