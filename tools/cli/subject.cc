// What shrink and explain have in common: opening, running again, making small.
#include "tools/cli/subject.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"
#include "tools/cli/probes.h"
#include "tools/cli/progress.h"
#include "tools/cli/trace_files.h"

namespace reprise::cli {

int open_subject(const char* command, const std::string& path, const Experiment::Options& options, Subject& out) {
  std::string why;
  if (nested()) return say(std::string(command) + ": already inside a recorded program"), kUsage;
  out.path = path;
  out.stage = find_stage(&why);
  if (out.stage.empty()) return say(why), kUsage;
  if (trace::Error e = open_trace(path, out.reader)) return say(e.text()), kBadTrace;
  out.pack_root = pack_root_of(path);
  trace::Error wrong = check_objects(out.reader, out.pack_root);
  if (wrong && !out.pack_root.empty() && !check_objects(out.reader, "")) {
    out.pack_root.clear();
    wrong = {};
  }
  if (wrong) return say(wrong.text()), kBadTrace;
  if (out.reader.header().options & tape::kStrict && failure_of(try_cpuid) != 0) {
    return say("this trace was recorded with --strict: its replay needs cpuid faulting (reprise doctor)"), kUsage;
  }
  Experiment::Options chosen = options;
  if (chosen.jobs == 0) chosen.jobs = std::max(1u, std::thread::hardware_concurrency());
  out.experiment = std::make_unique<Experiment>(out.reader, out.stage, out.pack_root, chosen);
  return -1;
}

int replay_subject(Subject& subject, Tried& out) {
  out = subject.experiment->replay();
  if (!out.error.empty()) return say(out.error), kBadTrace;
  if (out.timed_out) return say(subject.path + ": the replay did not end in time (--limit)"), kDiverged;
  switch (out.verdict) {
    case tape::Verdict::none: return -1;
    case tape::Verdict::cut_off: return say(subject.path + ": the recording is cut off, how it failed is not in it"), kIncomplete;
    default: return say(subject.path + ": " + out.ending.message), kDiverged;
  }
}

namespace {

std::string how(const Tried& tried) {
  if (!tried.error.empty()) return tried.error;
  return tried.timed_out ? "it did not end in time" : std::string("it ") + (tried.ending.fails() ? "ended otherwise: " : "passed: ") + tried.ending.text();
}

trace::Trial trial_of(const Tried& tried, const Ending& like) {
  trace::Trial trial;
  trial.alternatives = trace::alternatives_of(tried.seen);
  trial.fails = tried.error.empty() && !tried.timed_out && tried.ending.same_as(like);
  if (!trial.fails) return trial;
  trial.weight = trace::weight_of(tried.seen);
  trial.deviations = trace::deviations_of(tried.seen);
  return trial;
}

// Runs of fork servers are used where they do what one that was started anew did. Of programs that were built with
// an older Reprise, and of those that look at what is different there, they do not.
void check_served(Subject& subject, const Reproduced& from) {
  const Tried served = subject.experiment->runs({trace::deviations_of(from.replayed.seen)})[0];
  const trace::Trial trial = trial_of(served, from.replayed.ending);
  if (!trial.fails || trial.weight != from.trial.weight || trial.deviations != from.trial.deviations) {
    subject.experiment->stop_serving();
  }
}

}  // namespace

Reproduced reproduce(Subject& subject, Tried replayed) {
  Reproduced out;
  out.replayed = std::move(replayed);
  const trace::Observation& seen = out.replayed.seen;
  if (seen.happenings.empty()) {
    out.why_not = "no goroutine decided anything: the program does not link Reprise, or failed before";
    return out;
  }
  if (seen.missed != 0) {
    out.why_not = fmt::format("the run is too long: {} of its {} steps do not fit", grouped(seen.missed),
                              grouped(seen.missed + seen.happenings.size()));
    return out;
  }
  const Tried tried = subject.experiment->run_anew(trace::deviations_of(seen));
  out.trial = trial_of(tried, out.replayed.ending);
  out.again = out.trial.fails;
  if (out.again) {
    check_served(subject, out);
    return out;
  }
  const uint64_t inside = trace::interruptions_of(seen);
  out.why_not = "the failure does not come back when the program is run again under the same decisions (" + how(tried) + ")";
  if (inside != 0) out.why_not += fmt::format("; {} of its preemptions fell inside computations", inside);
  if (!subject.reader.header().redacted.empty()) out.why_not += "; part of its environment was redacted";
  out.why_not += ": it depends on the world outside";
  return out;
}

trace::Shrunk shrink_subject(Subject& subject, const Reproduced& from, const ShrinkBounds& bounds) {
  const Ending& like = from.replayed.ending;
  const trace::Judge judge = [&](const std::vector<trace::Deviations>& lists) {
    std::vector<trace::Trial> trials;
    for (const Tried& tried : subject.experiment->runs(lists)) trials.push_back(trial_of(tried, like));
    return trials;
  };
  trace::ShrinkOptions options;
  options.batch = subject.experiment->jobs();
  options.until = std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(bounds.time_s * 1000));
  Progress progress;
  if (bounds.progress) {
    options.progress = [&](uint64_t runs, const trace::Weight& best) {
      progress.say(fmt::format("shrinking, {} runs: {}", runs, weight_text(best)));
    };
  }
  return trace::shrink(from.trial, judge, options);
}

std::string weight_text(const trace::Weight& w) {
  const auto count = [](uint64_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); };
  std::string text = count(w.preemptions, "preemption") + ", " + count(w.deviations - w.preemptions, "other choice") +
                     ", " + fmt::format("{} switch{}", w.switches, w.switches == 1 ? "" : "es") + ", " +
                     count(w.goroutines, "goroutine");
  if (w.faults != 0) text += ", " + count(w.faults, "fault");
  return text;
}

}  // namespace reprise::cli
