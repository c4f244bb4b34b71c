// parked [GOROUTINES]: goroutines that wait on channels, a million unless told otherwise, woken in turn.
//
// Each goroutine receives from a channel of its own and passes the value, plus one, on to the next: one
// token goes through all of them, so that every one parks, is woken by another and ends. Prints the time to
// start them, what each takes while all are parked (resident, and with page tables), and the time
// that the token takes. Status 1 if the token arrives with another value than there are goroutines.
#include <reprise/reprise.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tools/bench/memory/status.h"

namespace {

double seconds_since(reprise::TimePoint begun) {
  return std::chrono::duration<double>(reprise::now() - begun).count();
}

}  // namespace

int app(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 1'000'000;
  if (count <= 0) return std::fprintf(stderr, "usage: parked [GOROUTINES]\n"), 64;
  const reprise::bench::Memory before = reprise::bench::measure();
  const auto begun = reprise::now();
  std::vector<reprise::Chan<long>> chans(static_cast<size_t>(count) + 1, nullptr);
  for (auto& chan : chans) chan = reprise::Chan<long>(0);
  reprise::WaitGroup started;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    started.add(1);
    reprise::go([in = chans[i], out = chans[i + 1], started]() mutable {
      started.done();
      out.send(*in.recv() + 1);
    });
  }
  started.wait();
  const double starting = seconds_since(begun);
  const reprise::bench::Memory parked = reprise::bench::measure();
  const auto woken = reprise::now();
  chans.front().send(0);
  const long arrived = *chans.back().recv();
  const double waking = seconds_since(woken);
  const double gib = static_cast<double>(parked.resident_kib + parked.page_tables_kib) / (1 << 20);
  const auto each = [&](long after, long earlier) {
    return static_cast<double>(after - earlier) * 1024 / static_cast<double>(count);
  };
  std::printf("%ld goroutines at %d Ps: started and parked in %.2f s, woken in turn in %.2f s\n", count,
              reprise::gomaxprocs(), starting, waking);
  std::printf("each takes %.0f bytes resident and %.0f of page tables; the process %.2f GiB\n",
              each(parked.resident_kib, before.resident_kib),
              each(parked.page_tables_kib, before.page_tables_kib), gib);
  return arrived == count ? 0 : 1;
}
REPRISE_MAIN(app)
