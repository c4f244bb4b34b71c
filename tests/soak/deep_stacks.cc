// Goroutines that ran deep once and wait: what they take before and after cycles of the collector, which give their dead pages back.
//
//   deep_stacks [COUNT [LEVELS]]     200 goroutines, 40 levels of 4 KiB each
//
// Twice, with the same goroutines. Ends with 1 if not three quarters came back.
#include <reprise/chan.h>
#include <reprise/gc.h>
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/sync.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kRounds = 2, kMostCycles = 50;

long resident_kib() {
  std::FILE* const file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) return -1;
  long kib = -1;
  for (char line[256]; kib < 0 && std::fgets(line, sizeof line, file) != nullptr;) {
    if (std::sscanf(line, "VmRSS: %ld", &kib) != 1) kib = -1;
  }
  std::fclose(file);
  return kib;
}

// Writes all of its frame.
[[gnu::noinline]] int run_deep(int levels) {
  volatile char frame[4000];
  for (volatile char& byte : frame) byte = static_cast<char>(levels);
  return levels > 0 ? run_deep(levels - 1) + frame[17] : frame[17];
}

}  // namespace

int app(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 200, levels = argc > 2 ? std::atoi(argv[2]) : 40;
  reprise::Chan<int> hold;
  reprise::WaitGroup ran, done;
  const long before = resident_kib();
  ran.add(count);
  done.add(count);
  for (int i = 0; i < count; ++i) {
    reprise::go([=]() mutable {
      // They wait at many places of a page: at a few nothing is given back.
      auto* const shift = static_cast<volatile char*>(__builtin_alloca(static_cast<size_t>(16 + i % 16 * 256)));
      shift[0] = 1;
      for (int round = 0; round < kRounds; ++round) {
        run_deep(levels);
        ran.done();
        hold.recv();
      }
      done.done();
    });
  }
  bool good = true;
  for (int round = 0; round < kRounds; ++round) {
    ran.wait();
    ran.add(count);
    const long deep = resident_kib() - before;
    long now = deep;
    int cycles = 0;
    for (; cycles < kMostCycles && now > deep / 4; ++cycles) {
      reprise::gc::collect();
      now = resident_kib() - before;
    }
    std::printf("%d goroutines, %ld KiB; after %d cycles %ld KiB\n", count, deep, cycles, now);
    good = good && now <= deep / 4;
    for (int i = 0; i < count; ++i) hold.send(i);
  }
  done.wait();
  return good ? 0 : 1;
}
REPRISE_MAIN(app)
