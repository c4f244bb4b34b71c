// Records and replays in children of this process and compares what they did.
//
// The replay itself compares every event, the fingerprint and the hash of all writable memory with
// the recorded ones, and ends with 70 where they differ; here output and end are compared besides.
//
// A child is a fork that goes into the subcommand's function: an execution and the dynamic linking of
// the command would take a third of a pair's time. Every kThroughCommand-th pair executes it all the
// same.
#include "tests/property/pair.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "tools/cli/command.h"

namespace reprise::property {
namespace {

constexpr uint64_t kThroughCommand = 50;

int file_in_memory(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), name);
  return fd;
}

void empty(int fd) {
  if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
    throw std::system_error(errno, std::generic_category(), "ftruncate");
}

std::string contents(int fd) {
  struct stat st {};
  fstat(fd, &st);
  std::string text(static_cast<size_t>(st.st_size), 0);
  if (pread(fd, text.data(), text.size(), 0) != st.st_size)
    throw std::system_error(errno, std::generic_category(), "pread");
  return text;
}

// Splits the command's own lines from what the program wrote to standard error.
void split_errors(const std::string& text, Run* run) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    (line.starts_with("reprise: ") ? run->remarks : run->errors) += line + "\n";
}

// The child's side of a run. A group of its own, so that it can be killed with what it started.
[[noreturn]] void be_child(int output, int errors, const std::function<int()>& main) {
  setpgid(0, 0);
  const int input = open("/dev/null", O_RDONLY);
  dup2(input, 0);
  close(input);
  dup2(output, 1);
  dup2(errors, 2);
  const int status = main();
  std::fflush(nullptr);
  _exit(status);
}

// Waits for the child; kills its group after the limit.
void finish(pid_t child, Run* run) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (pidfd < 0) throw std::system_error(errno, std::generic_category(), "pidfd_open");
  pollfd end{pidfd, POLLIN, 0};
  if (poll(&end, 1, kLimitSeconds * 1000) == 0) {
    run->hung = true;
    kill(-child, SIGKILL);
  }
  close(pidfd);
  while (waitpid(child, &run->wait_status, 0) < 0 && errno == EINTR) {}
}

int execute(const std::vector<std::string>& argv) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  std::perror(words[0]);
  return 127;
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

Pairs::Pairs(std::string reprise)
    : reprise_(std::move(reprise)),
      output_(file_in_memory("output")),
      errors_(file_in_memory("errors")) {
  std::string pattern = (std::filesystem::temp_directory_path() / "reprise-pair-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), pattern);
  folder_ = pattern;
}

Pairs::~Pairs() {
  close(output_);
  close(errors_);
  std::error_code ignored;  // a temporary folder that stays behind harms nothing
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> Pairs::record_words(const Case& c) const {
  std::vector<std::string> words{reprise_, "record", "--policy", c.policy, "--seed",
                                 std::to_string(c.seed), "--slice-us",
                                 std::to_string(c.slice_us), "-o", trace()};
  if (c.hash_memory) words.push_back("--hash-memory");
  words.insert(words.end(), {"--", c.program, c.script});
  return words;
}

std::vector<std::string> Pairs::replay_words(const Case& c) const {
  std::vector<std::string> words{reprise_, "replay", trace()};
  if (c.hash_memory) words.push_back("--hash-memory");
  return words;
}

Run Pairs::run(const std::function<int()>& main) {
  empty(output_);
  empty(errors_);
  std::fflush(nullptr);  // or the child would write it again
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) be_child(output_, errors_, main);
  Run run;
  finish(child, &run);
  run.output = contents(output_);
  split_errors(contents(errors_), &run);
  return run;
}

Run Pairs::record(const Case& c) {
  if (count_ % kThroughCommand == 0) return run([&] { return execute(record_words(c)); });
  return run([&] {
    cli::RecordOptions options;
    options.policy = c.policy;
    options.seed = c.seed;
    options.slice_us = c.slice_us;
    options.hash_memory = c.hash_memory;
    options.output = trace();
    return cli::record(options, {c.program, c.script});
  });
}

Run Pairs::replay(const Case& c) {
  if (count_ % kThroughCommand == 0) return run([&] { return execute(replay_words(c)); });
  return run([&] {
    cli::ReplayOptions options;
    options.path = trace();
    options.hash_memory = c.hash_memory;
    return cli::replay(options);
  });
}

std::string Pairs::difference(const Case& c) {
  std::filesystem::remove(trace());
  ++count_;
  recorded_ = record(c);
  const Run& recorded = recorded_;
  if (recorded.hung) {
    run([&] { return execute({reprise_, "show", trace()}); });  // which finishes the trace
    return "the recorded run did not end\n" + recorded.output + recorded.errors;
  }
  if (recorded.remarks.find("Replay: ") == std::string::npos)
    return "no trace was made: " + recorded.remarks + recorded.errors;
  const Run replayed = replay(c);
  if (replayed.hung) return "the replay did not end\n" + replayed.output + replayed.errors;
  if (recorded.wait_status != replayed.wait_status)
    return both("the end", shown_end(recorded), shown_end(replayed)) + "\n" + replayed.remarks;
  if (recorded.output != replayed.output) return both("output", recorded.output, replayed.output);
  if (recorded.errors != replayed.errors) return both("standard error", recorded.errors, replayed.errors);
  return {};
}

std::string Pairs::record_command(const Case& c) const { return quoted(record_words(c)); }

}  // namespace reprise::property
