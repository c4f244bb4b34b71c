// Starting goroutines and giving way.
#include <reprise/atomic.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

// One goroutine at a time, waited for.
void spawn_join(Run& run) {
  uint64_t sum = 0;
  WaitGroup wg;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    wg.add(1);
    go([&] {
      ++sum;
      wg.done();
    });
    wg.wait();
  }
  run.stop();
  run.check(sum == run.ops, "spawn_join: every goroutine ran once");
}

// A thousand goroutines at a time.
void spawn_many(Run& run) {
  constexpr uint64_t kBatch = 1000;
  const uint64_t batches = (run.ops + kBatch - 1) / kBatch;
  Atomic<uint64_t> sum{0};
  WaitGroup wg;
  run.start();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    wg.add(kBatch);
    for (uint64_t i = 0; i < kBatch; ++i) {
      go([&] {
        sum.fetch_add(1);
        wg.done();
      });
    }
    wg.wait();
  }
  run.stop();
  run.did(batches * kBatch);
  run.check(sum.load() == batches * kBatch, "spawn_many: every goroutine ran once");
}

// Two goroutines that give way to each other.
void yield_two(Run& run) {
  const uint64_t each = run.ops / 2 + 1;
  uint64_t other = 0, own = 0;
  WaitGroup wg(1);
  run.start();
  go([&] {
    for (; other < each; ++other) yield();
    wg.done();
  });
  for (; own < each; ++own) yield();
  wg.wait();
  run.stop();
  run.did(2 * each);
  run.check(own + other == 2 * each, "yield: both came to their end");
}

}  // namespace reprise::bench
