// Timers: set and stopped, fired, moved, one among a million; how late a sleeper wakes.
#include <reprise/atomic.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

using namespace std::chrono_literals;

void timer_add_stop(Run& run) {
  uint64_t stopped = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    Timer timer(1h);
    if (timer.stop()) ++stopped;
  }
  run.stop();
  run.check(stopped == run.ops, "timer_add_stop: all were stopped");
}

// Functions that run a microsecond later, a thousand at a time.
void timer_fire(Run& run) {
  constexpr uint64_t kBatch = 1000;
  const uint64_t batches = run.ops / kBatch + 1;
  Atomic<uint64_t> fired{0};
  WaitGroup wg;
  run.start();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    wg.add(kBatch);
    for (uint64_t i = 0; i < kBatch; ++i) {
      after_func(1us, [&] {
        fired.fetch_add(1);
        wg.done();
      });
    }
    wg.wait();
  }
  run.stop();
  run.did(batches * kBatch);
  run.check(fired.load() == batches * kBatch, "timer_fire: each fired once");
}

void timer_reset(Run& run) {
  Timer timer(1h);
  uint64_t active = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    if (timer.reset(1h + std::chrono::nanoseconds(i % 1000))) ++active;
  }
  run.stop();
  run.check(active == run.ops && timer.stop(), "timer_reset: it was active every time");
}

// As timer_add_stop, while run.arg others are set.
void timer_among(Run& run) {
  std::vector<Timer> others;
  others.reserve(static_cast<size_t>(run.arg));
  for (int64_t i = 0; i < run.arg; ++i) {
    others.emplace_back(1h + std::chrono::microseconds(i * 7919 % run.arg));
  }
  uint64_t stopped = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    Timer timer(1h + std::chrono::microseconds(i * 104'729 % static_cast<uint64_t>(run.arg)));
    if (timer.stop()) ++stopped;
  }
  run.stop();
  run.check(stopped == run.ops, "timer_1m_alive: all were stopped");
  for (Timer& other : others) run.check(other.stop(), "timer_1m_alive: the others did not fire");
}

// Sleeps of a millisecond; the figure is by how much the median one was too long.
void sleep_latency(Run& run) {
  std::vector<double> late_ns;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    const TimePoint begun = now();
    sleep_for(1ms);
    late_ns.push_back(std::chrono::duration<double, std::nano>(now() - begun - 1ms).count());
  }
  run.stop();
  std::sort(late_ns.begin(), late_ns.end());
  run.check(late_ns.front() >= 0, "sleep_latency: nobody woke early");
  run.measured(late_ns[late_ns.size() / 2]);
}

}  // namespace reprise::bench
