// Locks and WaitGroup.
#include <reprise/go.h>
#include <reprise/sync.h>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

constexpr uint64_t kGoroutines = 8;

// `each` calls of turn(i) on each of kGoroutines goroutines.
template <class F>
void on_goroutines(Run& run, uint64_t each, F turn) {
  WaitGroup wg(kGoroutines);
  run.start();
  for (uint64_t g = 0; g < kGoroutines; ++g) {
    go([&turn, each, wg]() mutable {
      for (uint64_t i = 0; i < each; ++i) turn(i);
      wg.done();
    });
  }
  wg.wait();
  run.stop();
  run.did(each * kGoroutines);
}

}  // namespace

void mutex_uncontended(Run& run) {
  Mutex mutex;
  uint64_t count = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    mutex.lock();
    ++count;
    mutex.unlock();
  }
  run.stop();
  run.check(count == run.ops, "mutex_uncontended: count");
}

// Eight goroutines that want the same lock, with a little of their own work between.
void mutex_contended(Run& run) {
  Mutex mutex;
  uint64_t count = 0;
  const uint64_t each = run.ops / kGoroutines + 1;
  on_goroutines(run, each, [&](uint64_t i) {
    mutex.lock();
    ++count;
    mutex.unlock();
    for (int work = 0; work < 20; ++work) touch(&i);
  });
  run.check(count == each * kGoroutines, "mutex_contended: no increment was lost");
}

void rwmutex_read(Run& run) {
  RWMutex mutex;
  uint64_t value = 1, sum = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    mutex.rlock();
    sum += value;
    mutex.runlock();
  }
  run.stop();
  run.check(sum == run.ops, "rwmutex_read: sum");
}

// Eight goroutines; one turn in ten writes.
void rwmutex_mixed(Run& run) {
  RWMutex mutex;
  uint64_t written = 0;
  const uint64_t each = run.ops / kGoroutines + 1;
  on_goroutines(run, each, [&](uint64_t i) {
    if (i % 10 == 0) {
      mutex.lock();
      ++written;
      mutex.unlock();
    } else {
      mutex.rlock();
      touch(&written);
      mutex.runlock();
    }
  });
  run.check(written == (each + 9) / 10 * kGoroutines, "rwmutex_mixed: no increment was lost");
}

// Add, done, and a wait that finds nothing to wait for.
void wait_group(Run& run) {
  WaitGroup wg;
  uint64_t count = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    wg.add(1);
    ++count;
    wg.done();
    wg.wait();
  }
  run.stop();
  run.check(count == run.ops, "wait_group: count");
}

}  // namespace reprise::bench
