// What makes two failures one: the kind, and the message without its numbers.
#include "tools/cli/ending.h"

#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "tools/cli/outcome.h"

namespace reprise::cli {
namespace {

// "index 5 of 0x7f00" as "index # of #".
std::string without_numbers(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(text[i])) == 0) {
      out += text[i];
      continue;
    }
    out += '#';
    while (i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i + 1])) != 0) ++i;
  }
  return out;
}

std::string in_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Ending told(const trace::Observation& seen) {
  switch (seen.outcome) {
    case seam::Outcome::Kind::ok: return {};
    case seam::Outcome::Kind::failed: return {Ending::Kind::status, seen.exit_status, seen.message};
    case seam::Outcome::Kind::deadlock: return {Ending::Kind::deadlock, 0, seen.message};
    case seam::Outcome::Kind::panic: return {Ending::Kind::panic, 0, seen.message};
    default: return {Ending::Kind::fatal, 0, seen.message};
  }
}

}  // namespace

bool Ending::same_as(const Ending& other) const {
  return kind == other.kind && code == other.code && without_numbers(message) == without_numbers(other.message);
}

std::string Ending::text() const {
  switch (kind) {
    case Kind::passed: return "exited with 0";
    case Kind::status: return describe(W_EXITCODE(code, 0)) + (message.empty() ? "" : ": " + in_one_line(message));
    case Kind::signal: return describe(W_EXITCODE(0, code));
    case Kind::panic: return "panic: " + message;
    case Kind::fatal: return "fatal error: " + message;
    case Kind::deadlock: return "deadlock: " + message.substr(0, message.find(" - deadlock!"));
    case Kind::stopped: return "stopped by Reprise: " + message;
  }
  return {};
}

Ending ending_of(const trace::Observation& seen, int wait_status, const tape::Control& control) {
  if (control.verdict != tape::Verdict::none && control.verdict != tape::Verdict::detached) {
    const std::string text(control.message, strnlen(control.message, sizeof control.message));
    return {Ending::Kind::stopped, static_cast<int>(control.verdict), text.substr(0, text.find('\n'))};
  }
  if (WIFSIGNALED(wait_status)) return {Ending::Kind::signal, WTERMSIG(wait_status), ""};
  const Ending said = told(seen);
  const int status = WEXITSTATUS(wait_status);
  const bool itself = said.kind != Ending::Kind::status || said.code == status;
  if (seen.ended && said.fails() && itself) return said;
  return status == 0 ? Ending{} : Ending{Ending::Kind::status, status, ""};
}

}  // namespace reprise::cli
