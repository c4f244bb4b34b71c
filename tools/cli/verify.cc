// `reprise verify`: whether traces still replay, and still end as they did. One line a trace.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tools/cli/outcome.h"
#include "tools/cli/subject.h"

namespace reprise::cli {
namespace {

constexpr int kFailed = 1;
namespace fs = std::filesystem;

// What differs in one replay; empty if nothing does.
std::string differs(const trace::TraceReader& reader, const Tried& run) {
  if (!run.error.empty()) return run.error;
  if (run.timed_out) return "it did not end in time";
  if (run.verdict == tape::Verdict::cut_off) return "the recording is cut off: " + reader.cut_off();
  if (run.verdict != tape::Verdict::none) return run.ending.message;
  if (!reader.footer()) return "the recording is cut off";
  const trace::Footer& recorded = *reader.footer();
  if (run.wait_status != recorded.wait_status) {
    return fmt::format("the recorded run {}, the replay {}", describe(recorded.wait_status), describe(run.wait_status));
  }
  if (run.events != recorded.events || run.fingerprint != recorded.fingerprint) {
    return fmt::format("expected fingerprint {:016x} after {} events, got {:016x} after {}", recorded.fingerprint,
                       grouped(recorded.events), run.fingerprint, grouped(run.events));
  }
  return {};
}

int verify_one(const VerifyCommand& options, const std::string& path) {
  Subject subject;
  const int wrong = open_subject("verify", path, {1, options.limit_s, options.watchdog_s}, subject);
  if (wrong >= 0) return wrong;
  Tried run;
  for (uint64_t n = 1; n <= options.times; ++n) {
    run = subject.experiment->replay(1);  // how it ended is enough
    const std::string wrongly = differs(subject.reader, run);
    if (wrongly.empty()) continue;
    fmt::print("{}: replay {} of {} differs: {}\n", path, n, options.times, wrongly);
    return kFailed;
  }
  fmt::print("{}: {} of {} replays are the same; {}: {}\n", path, options.times, options.times,
             run.ending.fails() ? "it still fails" : "it does not fail", run.ending.text());
  return kOk;
}

std::vector<std::string> traces_below(const std::string& path) {
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied)) {
    if (entry.is_regular_file() && entry.path().extension() == ".rpz") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

int verify(const VerifyCommand& options) {
  if (!fs::is_directory(options.path)) return verify_one(options, options.path);
  const std::vector<std::string> paths = traces_below(options.path);
  if (paths.empty()) return say("verify: no trace (*.rpz) below " + options.path), kUsage;
  size_t bad = 0;
  for (const std::string& path : paths) {
    bad += verify_one(options, path) != kOk;
    std::fflush(stdout);
  }
  if (paths.size() > 1) fmt::print("{} traces, {} wrong\n", paths.size(), bad);
  return bad == 0 ? kOk : kFailed;
}

}  // namespace reprise::cli
