// `reprise shrink`: a trace of the same failure with as few preemptions and other choices as can be found.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tools/cli/outcome.h"
#include "tools/cli/subject.h"

namespace reprise::cli {
namespace {

constexpr int kFailed = 1;

// BUG.rpz becomes BUG.min.rpz.
std::string default_output(const std::string& path) {
  const bool named = path.ends_with(".rpz");
  return (named ? path.substr(0, path.size() - 4) : path) + ".min.rpz";
}

}  // namespace

int shrink(const ShrinkCommand& options) {
  Subject subject;
  const int wrong = open_subject("shrink", options.path, {options.jobs, options.limit_s, options.watchdog_s, options.anew}, subject);
  if (wrong >= 0) return wrong;
  const std::string output = std::filesystem::absolute(options.output.empty() ? default_output(options.path) : options.output);
  if (access(output.substr(0, output.rfind('/') + 1).c_str(), W_OK) != 0) return say(output + ": cannot be written"), kUsage;
  Tried replayed;
  const int unlike = replay_subject(subject, replayed);
  if (unlike >= 0) return unlike;
  if (!replayed.ending.fails()) {
    return say(fmt::format("shrink: {} does not fail ({}): nothing to shrink", options.path, replayed.ending.text())), kFailed;
  }
  const Reproduced from = reproduce(subject, std::move(replayed));
  if (!from.again) return say("shrink: " + from.why_not), kFailed;
  trace::Shrunk shrunk = shrink_subject(subject, from, {options.time_s});
  Tried kept = subject.experiment->record(shrunk.deviations, output, from.replayed.ending);
  const auto fails_again = [&] { return !kept.timed_out && kept.ending.same_as(from.replayed.ending); };
  // What the program finds where it starts may have decided.
  if (kept.error.empty() && !fails_again() && subject.experiment->stop_serving()) {
    shrunk = shrink_subject(subject, from, {options.time_s});
    kept = subject.experiment->record(shrunk.deviations, output, from.replayed.ending);
  }
  if (!kept.error.empty()) return say(kept.error), kUsage;
  if (!fails_again()) {
    return say("shrink: the shortest run found does not fail again: it depends on the world outside"), kFailed;
  }
  say(fmt::format("{}: {}", from.replayed.ending.text(), weight_text(trace::weight_of(kept.seen))));
  say(fmt::format("from {}, in {} runs{}. Replay: reprise replay {}", weight_text(trace::weight_of(from.replayed.seen)),
                  shrunk.runs, shrunk.minimal ? "" : "; time was up, so less may do",
                  shell_word(options.output.empty() ? default_output(options.path) : options.output)));
  return kOk;
}

}  // namespace reprise::cli
