// Texts. Long output of a failing run is cut in the middle: its start and its end say most.
#include "tools/fuzz/report.h"

#include <fmt/format.h>

#include <cstdio>

#include "tools/cli/outcome.h"

namespace reprise::fuzz::report {
namespace {

constexpr size_t kEachEnd = 4000;  // bytes

std::string shortened(const std::string& text) {
  if (text.size() <= 2 * kEachEnd) return text;
  return fmt::format("{}\n[{} bytes left out]\n{}", text.substr(0, kEachEnd), text.size() - 2 * kEachEnd,
                     text.substr(text.size() - kEachEnd));
}

std::string indented(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out += "    " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

std::string commands(const Kept& kept) {
  if (kept.path.empty()) return fmt::format("  no trace: {}\n", kept.trouble);
  const std::string trace = cli::shell_word(kept.path);
  const std::string smaller = cli::shell_word(kept.path.substr(0, kept.path.size() - 4) + ".min.rpz");
  std::string out = fmt::format("  trace:   {} ({})\n", trace,
                                kept.confirmed ? "replayed, with the same end" : "NOT CONFIRMED");
  if (!kept.confirmed) out += fmt::format("    {}\n", kept.trouble);
  return out + fmt::format("  replay:  reprise replay {0}\n  explain: reprise explain {0}\n"
                           "  shrink:  reprise shrink {0} -o {1}\n", trace, smaller);
}

}  // namespace

std::string text_of(const Found& found, const Plan& plan) {
  const Failure& f = found.failure;
  std::string out = fmt::format("{}: {}\n", f.kind, f.message);
  if (!f.site.empty()) out += fmt::format("  where:   {}\n", f.site);
  out += fmt::format("  when:    schedule {} of {} (seed {}, run {})\n", found.schedule, plan.options.policy,
                     found.seed, found.run);
  out += commands(found.kept);
  return out + indented(shortened(f.text));
}

void failure(const Found& found, const Plan& plan) {
  fmt::print("{}", text_of(found, plan));
  std::fflush(stdout);
}

std::string progress(const Novelty& novelty, size_t failures, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(novelty.runs()) / seconds : 0;
  return fmt::format("{} schedules, {:.0f} a second, {} behaviours, chance of a new one {:.3g} %, {} failures   ",
                     cli::grouped(novelty.runs()), rate, cli::grouped(novelty.distinct()),
                     100 * novelty.chance_of_new(), failures);
}

void summary(const Summary& s, const Plan& plan) {
  const std::string failures = s.found.empty() ? "no failure" : fmt::format("{} different failure{}", s.found.size(),
                                                                            s.found.size() == 1 ? "" : "s");
  const double rate = s.seconds > 0 ? static_cast<double>(s.schedules) / s.seconds : 0;
  fmt::print("{} in {} schedules of {}, seed {} ({}); {} behaviours, chance that the next shows a new one {:.3g} %; "
             "{:.0f} schedules a second\n",
             failures, cli::grouped(s.schedules), plan.options.policy, plan.seed, s.ended_by,
             cli::grouped(s.distinct), 100 * s.chance, rate);
  if (!plan.options.corpus.empty()) {
    fmt::print("corpus {}: {} schedules were there, {} are new\n", plan.options.corpus, s.from_corpus, s.to_corpus);
  }
  for (const Found& found : s.found) {
    if (found.times > 1) fmt::print("  {} times: {}: {}\n", found.times, found.failure.kind, found.failure.message);
  }
  std::fflush(stdout);
}

}  // namespace reprise::fuzz::report
