// The bugs as a program: build/corpus/sim_bugs NAME runs the buggy one, NAME_fixed its twin; without an
// argument it lists them.
#include <reprise/main.h>
#include <reprise/sim.h>

#include <cstdio>
#include <string>

#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace {

int run(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  for (const auto& bug : sim_bugs::all()) {
    const std::string name = bug.name;
    if (wanted.empty()) std::printf("%s\n%s_fixed\n", bug.name, bug.name);
    if (wanted != name && wanted != name + "_fixed") continue;
    if (!reprise::sim::active()) {
      std::fprintf(stderr, "sim_bugs: start it by `reprise run --world simulated`\n");
      return 64;
    }
    bug.run(wanted != name);
    return 0;
  }
  if (wanted.empty()) return 0;
  std::fprintf(stderr, "there is no %s\n", wanted.c_str());
  return 64;
}

}  // namespace

REPRISE_MAIN(run)
