// timers_alive [TIMERS]: timers that are set and do not fire, a million unless told otherwise: what each takes.
//
// Prints as parked does. Status 1 if one of them fired: then not all were alive when it was measured.
#include <reprise/reprise.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tools/bench/memory/status.h"

int app(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 1'000'000;
  if (count <= 0) return std::fprintf(stderr, "usage: timers_alive [TIMERS]\n"), 64;
  const reprise::bench::Memory before = reprise::bench::measure();
  std::vector<reprise::Timer> timers;
  timers.reserve(static_cast<size_t>(count));
  for (long i = 0; i < count; ++i) {
    timers.emplace_back(std::chrono::hours(1) + std::chrono::microseconds(i * 7919 % count));
  }
  const reprise::bench::Memory after = reprise::bench::measure();
  const auto each = [&](long later, long earlier) {
    return static_cast<double>(later - earlier) * 1024 / static_cast<double>(count);
  };
  std::printf("each takes %.0f bytes resident and %.0f of page tables\n", each(after.resident_kib, before.resident_kib),
              each(after.page_tables_kib, before.page_tables_kib));
  for (reprise::Timer& timer : timers) {
    if (!timer.stop()) return 1;
  }
  return 0;
}
REPRISE_MAIN(app)
