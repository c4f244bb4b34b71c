// `stuck_cases NAME` runs one; `stuck_cases` lists them with what they are.
#include <reprise/main.h>

#include <cstdio>
#include <string_view>

#include "tests/support/stuck_cases.h"

namespace {

int app(int argc, char** argv) {
  using stuck_cases::Kind;
  for (const stuck_cases::Case& c : stuck_cases::all()) {
    if (argc < 2) {
      const bool alive = c.kind == Kind::alive || c.kind == Kind::alive_in_a_program;
      std::printf("%s %s\n", alive ? "alive" : c.kind == Kind::stuck_at_the_end ? "left" : "stuck", c.name);
    } else if (std::string_view(argv[1]) == c.name) {
      c.body();
      return 0;
    }
  }
  return argc < 2 ? 0 : 64;
}

}  // namespace

REPRISE_MAIN(app)
