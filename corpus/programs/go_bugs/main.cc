// The bugs as a program: build/corpus/go_bugs.
#include <reprise/main.h>

#include "corpus/programs/by_name.h"
#include "corpus/programs/go_bugs/bugs.h"

namespace {

int run(int argc, char** argv) { return corpus::run_by_name(go_bugs::all(), argc, argv); }

}  // namespace

REPRISE_MAIN(run)
