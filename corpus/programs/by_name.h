// The main of a program that is a collection of bugs: NAME runs the buggy one, NAME_fixed its twin; without an
// argument the names are listed.
//
// A bug has a `name` and a `run(bool fixed)`. Runs once, on the main goroutine; the status is that of the process.
#pragma once

#include <cstdio>
#include <string>

namespace corpus {

template <class Bugs>
int run_by_name(const Bugs& bugs, int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  for (const auto& bug : bugs) {
    const std::string name = bug.name;
    if (wanted.empty()) std::printf("%s\n%s_fixed\n", bug.name, bug.name);
    if (wanted != name && wanted != name + "_fixed") continue;
    bug.run(wanted != name);
    return 0;
  }
  if (wanted.empty()) return 0;
  std::fprintf(stderr, "there is no %s\n", wanted.c_str());
  return 64;
}

}  // namespace corpus
