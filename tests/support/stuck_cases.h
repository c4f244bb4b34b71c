// Small bodies in which goroutines can never run again while others go on for thousands of steps, and some in which they can,
// because somebody has the address of what they wait for in an odd place. Each ends by itself if it is let.
#pragma once

#include <cstdint>
#include <span>

namespace stuck_cases {

enum class Kind : uint8_t {
  stuck,
  stuck_on_locks,      // in blocks of malloc's: seen where malloc is ours
  stuck_at_the_end,    // when main returns while others would go on
  alive,
  stuck_in_a_program,  // with threads
  alive_in_a_program,  // with threads, or a collector that runs when it likes: not for explore()
};

struct Case {
  const char* name;
  Kind kind;
  void (*body)();
};
std::span<const Case> all();

}  // namespace stuck_cases
