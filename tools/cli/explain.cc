// `reprise explain`: what went wrong in a trace, in words.
//
// The failure is shrunk first, since a run with one preemption says more than one with fifty. Then pairs of
// conflicting operations are swapped, one pair a run, from the end of the run backwards; the first that
// makes the failure go away is the critical pair. Where the program cannot be run again in the same way,
// what is shown is the recorded run itself, and no pair.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tools/cli/explanation.h"
#include "tools/cli/outcome.h"
#include "tools/cli/progress.h"
#include "tools/cli/subject.h"

namespace reprise::cli {
namespace {

constexpr int kFailed = 1;
constexpr size_t kPairsAtMost = 400;
using Clock = std::chrono::steady_clock;

class PairSearch {
 public:
  PairSearch(Subject& subject, Explanation& out, double time_s)
      : subject_(subject), out_(out), until_(Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(time_s * 1000))) {}

  void run() {
    const trace::Deviations failing = trace::deviations_of(out_.run);
    std::vector<trace::Pair> pairs = trace::reversible_pairs(out_.run, out_.operations);
    out_.pairs = pairs.size();
    if (pairs.size() > kPairsAtMost) pairs.resize(kPairsAtMost);
    const size_t batch = subject_.experiment->jobs();
    Progress progress;
    for (size_t at = 0; at < pairs.size() && Clock::now() < until_; at += batch) {
      const size_t size = std::min(batch, pairs.size() - at);
      std::vector<trace::Deviations> lists;
      for (size_t i = at; i < at + size; ++i) lists.push_back(trace::with_swapped(failing, first(pairs[i]), second(pairs[i])));
      const std::vector<Tried> tried = subject_.experiment->runs(lists);
      progress.say(fmt::format("swapping pairs of operations, {} of {}", at + size, pairs.size()));
      for (size_t i = 0; i < size; ++i)
        if (judge(pairs[at + i], tried[i])) return;
    }
  }

 private:
  const trace::Operation& first(const trace::Pair& pair) const { return out_.operations[pair.first]; }
  const trace::Operation& second(const trace::Pair& pair) const { return out_.operations[pair.second]; }

  // Whether the search is over.
  bool judge(const trace::Pair& pair, const Tried& tried) {
    ++out_.tried;
    if (!tried.error.empty() || tried.timed_out || tried.ending.same_as(out_.ending)) return false;
    if (!trace::is_swapped(tried.seen, first(pair), second(pair))) return false;
    const bool passes = !tried.ending.fails();
    if (passes || !out_.critical) {
      out_.critical = pair;
      out_.swapped = tried.ending;
    }
    return passes;
  }

  Subject& subject_;
  Explanation& out_;
  const Clock::time_point until_;
};

// The shortest run that fails the same way, and the pair of operations that it hangs on.
void look_closer(Subject& subject, const Reproduced& from, double time_s, Explanation& out) {
  const trace::Shrunk shrunk = shrink_subject(subject, from, {time_s});
  Tried shortest = subject.experiment->run_anew(shrunk.deviations);
  if (!shortest.error.empty() || shortest.timed_out || !shortest.ending.same_as(out.ending)) {
    out.why_not = "the shortest run found does not fail again: it depends on the world outside";
    return;
  }
  out.shrunk = true;
  out.run = std::move(shortest.seen);
  out.ending = shortest.ending;
  out.operations = trace::operations_of(out.run);
  PairSearch(subject, out, time_s).run();
}

std::string nothing_to_explain(const std::string& path, const Tried& replayed) {
  const size_t left = trace::waiting_at_end(replayed.seen).size();
  std::string text = fmt::format("explain: {} does not fail ({}): nothing to explain", path, replayed.ending.text());
  if (left > 0) text += fmt::format("; {} goroutine{} still waited at its end", left, left == 1 ? "" : "s");
  return text;
}

}  // namespace

int explain(const ExplainCommand& options) {
  Subject subject;
  const int wrong = open_subject("explain", options.path, {options.jobs, options.limit_s, options.watchdog_s, options.anew}, subject);
  if (wrong >= 0) return wrong;
  Tried replayed;
  const int unlike = replay_subject(subject, replayed);
  if (unlike >= 0) return unlike;
  if (!replayed.ending.fails()) return say(nothing_to_explain(options.path, replayed)), kFailed;
  Explanation out;
  out.path = options.path;
  out.executable = subject.pack_root + subject.reader.header().executable.path;
  out.ending = replayed.ending;
  out.recorded = trace::weight_of(replayed.seen);
  const Reproduced from = reproduce(subject, std::move(replayed));
  out.run = from.replayed.seen;
  out.operations = trace::operations_of(out.run);
  out.why_not = from.why_not;
  if (from.again) look_closer(subject, from, options.time_s, out);
  out.waiting = trace::waiting_at_end(out.run);
  out.cycle = trace::cycle_of(out.waiting);
  fmt::print("{}", options.json ? explanation_json(out) : explanation_text(out, options.rows));
  return kOk;
}

}  // namespace reprise::cli
