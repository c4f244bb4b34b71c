// `reprise fuzz`: whole programs under many schedules.
//
// Everything that can be refused is refused before the first server starts. Exit status: 0 no failure, 1
// found some, 64 not started, 70 the campaign could not go on.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <cstdlib>

#include "runtime/seam/catalog.h"
#include "tools/cli/command.h"
#include "tools/cli/launch.h"
#include "tools/cli/outcome.h"
#include "tools/fuzz/campaign.h"
#include "tools/fuzz/junit.h"
#include "tools/fuzz/report.h"

namespace reprise::cli {
namespace {

constexpr uint64_t kDefaultSchedules = 10'000;

bool parse_number(std::string_view text, uint64_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc{} && end == text.data() + text.size();
}

// "2/5" is the second of five.
bool parse_shard(const std::string& text, fuzz::Plan* plan, std::string* why) {
  if (text.empty()) return true;
  const size_t slash = text.find('/');
  uint64_t nth = 0;
  const bool numbers = slash != std::string::npos && parse_number(std::string_view(text).substr(0, slash), &nth) &&
                       parse_number(std::string_view(text).substr(slash + 1), &plan->shards);
  if (!numbers || nth == 0 || nth > plan->shards) {
    return *why = "--shard " + text + ": expected I/N with I from 1 to N", false;
  }
  plan->shard = nth - 1;
  if (plan->shards > 1 && plan->options.policy == "exhaustive") {
    return *why = "--shard " + text + ": an exhaustive search is one search and has no shards", false;
  }
  return true;
}

bool check_policy(fuzz::Plan* plan, std::string* why) {
  const std::string& policy = plan->options.policy;
  if (!seam::make_policy(policy, plan->seed, why)) return false;
  if (policy.find('/') == std::string::npos) return true;
  char path[PATH_MAX];
  plan->own_library = realpath(policy.c_str(), path) != nullptr ? path : policy;
  if (plan->own_library.size() < sizeof tape::Control::policy) return true;
  return *why = "the policy's path is too long", false;
}

bool make_plan(const FuzzOptions& options, const Program& program, fuzz::Plan* plan, std::string* why) {
  plan->options = options;
  plan->stage = find_stage(why);
  if (plan->stage.empty() || !resolve(program, plan->target, why)) return false;
  plan->program = program[0];
  if (!plan->target.links_reprise) {
    return *why = program[0] + ": does not link Reprise, so there is no schedule to choose", false;
  }
  if (!cli::check_world(options, plan->target, why)) return false;
  if (!options.junit.empty() && !fuzz::can_write_junit(options.junit, why)) return false;
  plan->seed = options.seed.value_or(random_seed());
  if (options.schedules == 0 && options.seconds <= 0) plan->options.schedules = kDefaultSchedules;
  if (options.jobs == 0) plan->options.jobs = static_cast<unsigned>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  if (options.policy == "exhaustive") plan->options.jobs = 1;
  return check_policy(plan, why) && parse_shard(options.shard, plan, why) &&
         fuzz::parse_fail_when(options.fail_when, &plan->fail_when, why);
}

}  // namespace

int fuzz(const FuzzOptions& options, const Program& program) {
  std::string why;
  fuzz::Plan plan;
  if (nested()) return say("fuzz: already inside a recorded program"), kUsage;
  if (!make_plan(options, program, &plan, &why)) return say(why), kUsage;
  fuzz::Campaign campaign(plan);
  if (!campaign.open_corpus(&why)) return say(why), kUsage;
  const fuzz::Summary summary = campaign.run();
  fuzz::report::summary(summary, plan);
  if (!options.junit.empty() && !fuzz::write_junit(options.junit, summary, plan, &why)) say("warning: " + why);
  if (!summary.trouble.empty()) say(program[0] + ": " + summary.trouble);
  if (!summary.found.empty()) return kFound;
  if (summary.trouble.empty()) return kOk;
  return summary.schedules == 0 ? kUsage : kDiverged;
}

}  // namespace reprise::cli
