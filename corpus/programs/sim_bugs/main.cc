// The bugs as a program: build/corpus/sim_bugs, in a simulated world.
#include <reprise/main.h>
#include <reprise/sim.h>

#include <cstdio>

#include "corpus/programs/by_name.h"
#include "corpus/programs/sim_bugs/sim_bugs.h"

namespace {

int run(int argc, char** argv) {
  if (argc > 1 && !reprise::sim::active()) {
    std::fprintf(stderr, "sim_bugs: start it by `reprise run --world simulated`\n");
    return 64;
  }
  return corpus::run_by_name(sim_bugs::all(), argc, argv);
}

}  // namespace

REPRISE_MAIN(run)
