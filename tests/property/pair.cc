// Runs `reprise record` and `reprise replay` as children and compares what they did.
//
// The replay itself compares every event, the fingerprint and the hash of all writable memory with
// the recorded ones, and ends with 70 where they differ; here output and end are compared besides.
#include "tests/property/pair.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

extern char** environ;

namespace reprise::property {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Splits the command's own lines from what the program wrote to standard error.
void split_errors(const std::string& text, Run* run) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    (line.starts_with("reprise: ") ? run->remarks : run->errors) += line + "\n";
}

pid_t start(const std::vector<std::string>& argv, const std::string& out, const std::string& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // killed as a group if it hangs
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t child;
  const int error = posix_spawn(&child, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), argv[0]);
  return child;
}

// Waits for the child; kills its group after the limit.
void finish(pid_t child, Run* run) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(kLimitSeconds);
  std::atomic<bool> over{false};
  std::thread watchdog([&] {
    while (!over && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (over) return;
    run->hung = true;
    kill(-child, SIGKILL);
  });
  while (waitpid(child, &run->wait_status, 0) < 0 && errno == EINTR) {}
  over = true;
  watchdog.join();
}

std::string shown_end(const Run& run) {
  if (run.hung) return "killed after " + std::to_string(kLimitSeconds) + " s";
  if (WIFSIGNALED(run.wait_status)) return "signal " + std::to_string(WTERMSIG(run.wait_status));
  return "status " + std::to_string(WEXITSTATUS(run.wait_status));
}

std::string both(const char* what, const std::string& recorded, const std::string& replayed) {
  return std::string(what) + " differs\n--- recorded\n" + recorded + "\n--- replayed\n" + replayed;
}

std::string quoted(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& word : argv) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

std::string Run::end() const {
  if (hung) return "did not end";
  if (WIFSIGNALED(wait_status)) return "signal " + std::to_string(WTERMSIG(wait_status));
  if (errors.find("all goroutines are asleep") != std::string::npos) return "deadlock";
  if (errors.find("panic: ") != std::string::npos) return "panic";
  return output.find("all end") != std::string::npos ? "ran to its end" : "exited early";
}

Pairs::Pairs(std::string reprise, std::string program)
    : reprise_(std::move(reprise)), program_(std::move(program)) {
  std::string pattern = (std::filesystem::temp_directory_path() / "reprise-pair-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), pattern);
  folder_ = pattern;
}

Pairs::~Pairs() {
  std::error_code ignored;  // a temporary folder that stays behind harms nothing
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> Pairs::record_argv(const Case& c) const {
  return {reprise_, "record",  "--policy", c.policy, "--seed", std::to_string(c.seed),
          "--hash-memory", "-o", folder_ + "/pair.rpz", "--", program_, c.script};
}

std::vector<std::string> Pairs::replay_argv() const {
  return {reprise_, "replay", "--hash-memory", folder_ + "/pair.rpz"};
}

Run Pairs::run(const std::vector<std::string>& argv) const {
  Run run;
  finish(start(argv, folder_ + "/out", folder_ + "/err"), &run);
  run.output = contents(folder_ + "/out");
  split_errors(contents(folder_ + "/err"), &run);
  return run;
}

std::string Pairs::difference(const Case& c) {
  std::filesystem::remove(folder_ + "/pair.rpz");
  recorded_ = run(record_argv(c));
  const Run& recorded = recorded_;
  if (recorded.hung) return "the recorded run did not end\n" + recorded.output + recorded.errors;
  if (recorded.remarks.find("Replay: ") == std::string::npos)
    return "no trace was made: " + recorded.remarks + recorded.errors;
  const Run replayed = run(replay_argv());
  if (replayed.hung) return "the replay did not end\n" + replayed.output + replayed.errors;
  if (recorded.wait_status != replayed.wait_status)
    return both("the end", shown_end(recorded), shown_end(replayed)) + "\n" + replayed.remarks;
  if (recorded.output != replayed.output) return both("output", recorded.output, replayed.output);
  if (recorded.errors != replayed.errors) return both("standard error", recorded.errors, replayed.errors);
  return {};
}

std::string Pairs::commands(const Case& c) const {
  auto record = record_argv(c);
  record[8] = "pair.rpz";
  return quoted(record) + "\n" + quoted({reprise_, "replay", "--hash-memory", "pair.rpz"});
}

}  // namespace reprise::property
