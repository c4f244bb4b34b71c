// `reprise run`: controlled, unrecorded. The tape is memory only, and nothing reads it but this process.
#include <unistd.h>

#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"

namespace reprise::cli {

int run(const RunOptions& options, const Program& program) {
  std::string why;
  Target target;
  trace::TapeFile tape;
  if (nested()) return say("run: already inside a recorded program"), kUsage;
  std::string stage = find_stage(&why);
  if (stage.empty() || !resolve(program, target, &why)) return say(why), kUsage;
  if (!check_world(options, target, &why)) return say(why), kUsage;
  uint64_t seed = options.seed.value_or(random_seed());
  if (trace::Error e = tape.create("", trace::kRingBytes, 0)) return say(e.text()), kUsage;
  if (!set_control(tape.control(), tape::Mode::run, options, seed, &why)) return say(why), kUsage;
  trace::Scribe scribe(tape);
  scribe.watch(nanoseconds(options.watchdog_s));
  std::string goroutines;
  report_goroutines_of(scribe, tape.control(), &goroutines);
  int report = dup(2);
  if (!scribe.start(stage_argv(stage, tape, report, target.argv), environment(), report, &why)) {
    return say(why), kUsage;
  }
  close(report);
  trace::RunEnd end = scribe.record(nullptr, {});
  int verdict = -1;
  stage_verdict(tape.control(), false, goroutines, &verdict);
  write_status(options.status_file, verdict >= 0 ? "failed" : describe(end.wait_status));
  return verdict >= 0 ? verdict : end_as(end.wait_status);
}

}  // namespace reprise::cli
