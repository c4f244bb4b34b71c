// Options of run and record; the policies in --help come from the catalog.
#include "tools/cli/run_options.h"

#include <fmt/format.h>

#include "runtime/seam/catalog.h"

namespace reprise::cli {

void add_run_options(CLI::App& sub, RunOptions& options) {
  std::string policies = "Who goes next, or the path of a shared object with a policy of yours.";
  for (const seam::CatalogEntry& entry : seam::catalog()) {
    policies += fmt::format("\n{}: {}", entry.name, entry.summary);
  }
  sub.add_option("--policy", options.policy, policies)->capture_default_str();
  sub.add_option("--seed", options.seed, "Seed of the policy's choices (default: a random one)");
  sub.add_flag("--hash-memory", options.hash_memory,
               "Hash all writable memory of the program at its end");
  sub.add_option("--status-file", options.status_file,
                 "Write one line here that says how it ended, whatever the exit status");
  sub.add_flag("--verbose", options.verbose, "Let the stage say what it does");
  sub.prefix_command();
}

}  // namespace reprise::cli
