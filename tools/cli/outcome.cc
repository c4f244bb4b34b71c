// Statuses and messages.
#include "tools/cli/outcome.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "tools/cli/command.h"
#include "tools/cli/goroutines.h"
#include "tools/cli/symbols.h"

namespace reprise::cli {

std::string describe(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exited with {}", WEXITSTATUS(wait_status));
  return fmt::format("was killed by signal {} ({})", WTERMSIG(wait_status),
                     strsignal(WTERMSIG(wait_status)));
}

int end_as(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  int sig = WTERMSIG(wait_status);
  std::fflush(nullptr);
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);  // a core pattern that is a pipe ignores the limit
  signal(sig, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, sig);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  kill(getpid(), sig);
  return 128 + sig;  // a signal whose default is not to end the process
}

void say(const std::string& line) { fmt::print(stderr, "reprise: {}\n", line); }

void write_status(const std::string& path, const std::string& line) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::trunc);
  file << line << "\n";
  file.close();
  if (!file) say(path + ": cannot write the status file");
}

void stage_verdict(const tape::Control& control, bool replaying, const std::string& goroutines,
                   int* status) {
  std::string text(control.message, strnlen(control.message, sizeof control.message));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  *status = -1;
  switch (control.verdict) {
    case tape::Verdict::none: return;
    case tape::Verdict::divergence: *status = kDiverged; break;
    case tape::Verdict::unmodelled: *status = kDiverged; break;
    case tape::Verdict::broken: *status = kDiverged; break;
    case tape::Verdict::cut_off: *status = kIncomplete; break;
    case tape::Verdict::bad_start: *status = replaying ? kBadTrace : kUsage; break;
    case tape::Verdict::detached: *status = replaying ? kDiverged : kIncomplete; break;
    case tape::Verdict::stuck: *status = kDiverged; break;
    case tape::Verdict::reached: *status = kOk; break;
  }
  if (!text.empty()) say(with_symbols(text, control.file_root));
  fmt::print(stderr, "{}", goroutines);
}

void report_goroutines_of(trace::Scribe& scribe, const tape::Control& control, std::string* report) {
  scribe.on_halt([&control, report](pid_t child) {
    const bool all = control.verdict == tape::Verdict::reached || control.verdict == tape::Verdict::stuck;
    *report = goroutine_report(child, control, all ? Which::all : Which::running);
  });
}

std::string grouped(uint64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), 1, ',');
  }
  return digits;
}

std::string shell_word(const std::string& word) {
  static constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (char c : word) {
    if (c == '\'') out += "'\\'";
    out += c;
  }
  out += '\'';
  return out;
}

}  // namespace reprise::cli
