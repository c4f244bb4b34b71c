// Reading what a run left: its end, its outcome, its words.
#include "tools/fuzz/failure.h"

#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>

#include "runtime/seam/policy.h"
#include "tools/cli/outcome.h"
#include "tools/fuzz/digest.h"

namespace reprise::fuzz {
namespace {

using Kind = seam::Outcome::Kind;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// "\tDIR/FILE:LINE +0xOFFSET" -> "FILE:LINE"; empty for frames of the runtime and of the libraries.
std::string site_in(std::string_view line) {
  if (!line.starts_with('\t')) return {};
  for (const char* ours : {"/runtime/", "/asm/", "/usr/include/", "/usr/lib/", "/lib/"}) {
    if (line.find(ours) != std::string_view::npos) return {};
  }
  line = line.substr(1, line.find(' ') - 1);
  const size_t slash = line.rfind('/');
  return std::string(slash == std::string_view::npos ? line : line.substr(slash + 1));
}

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

// The last line that says something: an assertion's, most often.
std::string last_line(std::string_view text) {
  for (const auto lines = lines_of(text); const std::string_view line : std::vector(lines.rbegin(), lines.rend())) {
    if (!line.empty()) return std::string(line);
  }
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Failure of_verdict(const Run& run) {
  Failure f;
  f.kind = run.verdict == tape::Verdict::stuck ? "hang" : "not controllable";
  if (run.message.starts_with("livelock")) f.kind = "livelock";
  f.message = first_line(run.message);
  f.text = run.goroutines;
  return f;
}

Failure of_signal(const Run& run, const std::string& output) {
  Failure f;
  f.kind = "signal";
  f.message = cli::describe(run.wait_status);
  f.text = output;
  return f;
}

Failure of_exit(const Run& run, const std::string& output) {
  Failure f;
  f.text = output;
  f.message = run.message;
  switch (static_cast<Kind>(run.outcome - 1)) {
    case Kind::deadlock: f.kind = "deadlock"; return f;
    case Kind::panic: f.kind = "panic"; return f;
    case Kind::crash: f.kind = "fatal error"; return f;
    default: break;
  }
  f.kind = "exit";
  f.message = cli::describe(run.wait_status);
  if (const std::string line = last_line(output); !line.empty()) f.message += ": " + line;
  return f;
}

constexpr std::string_view kRace = "WARNING: DATA RACE\n";  // runtime/race/report.cc

Failure of_race(const std::string& output) {
  Failure f;
  f.kind = "race";
  f.message = "data race";
  f.site = joined(sites_of_race(output));
  f.text = output;
  return f;
}

constexpr std::string_view kLeak = "leak: ";  // runtime/sched/seam.cc

Failure of_leak(const Run& run, const std::string& output) {
  Failure f;
  f.kind = "leak";
  f.message = run.message.substr(kLeak.size());
  f.text = output;
  return f;
}

std::optional<Failure> of_output(const std::string& output, const FailWhen& when) {
  std::smatch match;
  if (!when.output || !std::regex_search(output, match, *when.output)) return {};
  Failure f;
  f.kind = "output";
  f.message = "printed " + first_line(match.str());
  f.text = output;
  return f;
}

std::optional<Failure> found(const Run& run, const ForkServer& server, const FailWhen& when) {
  const bool by_stage = run.verdict != tape::Verdict::none && run.verdict != tape::Verdict::detached;
  if (by_stage) return of_verdict(run);
  if (run.killed) {
    Failure f;
    f.kind = "hang";
    f.message = "did not end within its time, and did not answer; killed";
    return f;
  }
  if (when.race && WIFEXITED(run.wait_status) && server.has_output()) {
    if (const std::string output = server.output(); output.find(kRace) != std::string::npos) return of_race(output);
  }
  if (when.signal && WIFSIGNALED(run.wait_status)) return of_signal(run, server.output());
  const bool bad_exit = WIFEXITED(run.wait_status) && WEXITSTATUS(run.wait_status) != 0;
  if (when.exit && bad_exit) return of_exit(run, server.output());
  if (when.leak && run.message.starts_with(kLeak)) return of_leak(run, server.output());
  if (when.output && server.has_output()) return of_output(server.output(), when);
  return {};
}

}  // namespace

std::string normalised(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto is = [&](size_t at, auto test) {
      return at < text.size() && test(static_cast<unsigned char>(text[at])) != 0;
    };
    if (!is(i, isdigit)) {
      out += text[i++];
      continue;
    }
    const bool hex = text.substr(i).starts_with("0x");
    if (hex) i += 2;
    while (hex ? is(i, isxdigit) : is(i, isdigit)) ++i;
    out += '#';
  }
  return out;
}

std::vector<std::string> sites_of(std::string_view traceback) {
  std::set<std::string> sites;
  std::string reason;
  bool open = false;  // no frame of this goroutine's was taken yet
  for (const std::string_view line : lines_of(traceback)) {
    if (line.starts_with("goroutine ") && line.ends_with("]:")) {
      const size_t bracket = line.find('[');
      reason = std::string(line.substr(bracket + 1, line.size() - bracket - 3));
      reason = reason.substr(0, reason.find(','));
      open = true;
    } else if (line.starts_with("created by ")) {
      open = false;
    } else if (const std::string site = site_in(line); open && !site.empty()) {
      sites.insert(reason + " at " + site);
      open = false;
    }
  }
  return {sites.begin(), sites.end()};
}

std::vector<std::string> sites_of_race(std::string_view text) {
  std::vector<std::string> sites;
  const size_t start = text.find(kRace);
  if (start == std::string_view::npos) return sites;
  std::string what;  // of an access whose place is still to come
  for (const std::string_view line : lines_of(text.substr(start + kRace.size()))) {
    if (line.starts_with("=====")) break;
    const size_t at = line.find(" at 0x");
    if (line.ends_with(':')) what = at == std::string_view::npos ? "" : std::string(line.substr(0, at));
    const std::string site = site_in(line);
    if (what.empty() || site.empty()) continue;
    sites.push_back(what + " at " + site);
    what.clear();
  }
  return sites;
}

std::optional<Failure> failure_of(const Run& run, const ForkServer& server, const FailWhen& when) {
  std::optional<Failure> failure = found(run, server, when);
  if (!failure) return {};
  if (failure->kind == "race") {
    failure->signature = digest("race\n" + failure->site);
    return failure;
  }
  std::vector<std::string> sites = sites_of(failure->text);
  const auto runs = [](const std::string& site) { return site.starts_with("running at "); };
  const bool all = failure->kind == "deadlock" || std::none_of(sites.begin(), sites.end(), runs);
  if (!all) std::erase_if(sites, [&](const std::string& site) { return !runs(site); });
  failure->site = joined(sites);
  failure->signature = digest(failure->kind + "\n" + normalised(failure->message) + "\n" + failure->site);
  return failure;
}

bool parse_fail_when(const std::vector<std::string>& words, FailWhen* out, std::string* why) {
  if (words.empty()) return true;
  *out = {.exit = false, .signal = false, .leak = false, .any_leak = false, .race = false, .output = {}};
  for (const std::string& word : words) {
    if (word == "exit") {
      out->exit = true;
    } else if (word == "signal") {
      out->signal = true;
    } else if (word == "race") {
      out->race = true;
    } else if (word == "leak") {
      out->leak = true;
    } else if (word == "leak=any") {
      out->leak = out->any_leak = true;
    } else if (word.starts_with("output=")) {
      try {
        out->output.emplace(word.substr(std::strlen("output=")));
      } catch (const std::regex_error& e) {
        return *why = "--fail-when " + word + ": " + e.what(), false;
      }
    } else {
      return *why = "--fail-when " + word + ": expected exit, signal, leak, leak=any, race or output=REGEX", false;
    }
  }
  return true;
}

}  // namespace reprise::fuzz
