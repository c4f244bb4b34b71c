// The real clock is libc's, whose reading the stage answers from the tape; the virtual one is a
// number. Nothing here keeps state that a replay would have to restore.
#include "runtime/time/clock.h"

#include <time.h>

#include <atomic>

#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

// Atomics, relaxed throughout: a reading orders nothing. Virtual time moves only on g0 while
// nothing runs; the kind is chosen while no timer is set.
std::atomic<bool> simulated{false};
std::atomic<int64_t> virtual_ns{kVirtualStartNs};

// The round's sample, and which round it is of. Controlled modes only, where the holder of the one P
// owns it; in native mode every reading is fresh: it costs some 20 ns and no cache line is shared.
int64_t sample_ns = 0;
uint64_t sample_round = 0;

int64_t read_clock(clockid_t id) {
  timespec ts;
  clock_gettime(id, &ts);  // cannot fail for these clocks
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace

int64_t nanotime() {
  if (simulated.load(std::memory_order_relaxed)) [[unlikely]] return virtual_ns.load(std::memory_order_relaxed);
  return read_clock(CLOCK_MONOTONIC);
}

int64_t walltime() {
  if (simulated.load(std::memory_order_relaxed)) {
    return kVirtualEpochNs + virtual_ns.load(std::memory_order_relaxed) - kVirtualStartNs;
  }
  return read_clock(CLOCK_REALTIME);
}

int64_t clock_sample() {
  if (!seam_active) return nanotime();
  sample_ns = nanotime();
  sample_round = sched.rounds + 1;
  return sample_ns;
}

int64_t nanotime_round() {
  return seam_active && sample_round == sched.rounds + 1 ? sample_ns : clock_sample();
}

int64_t nanotime_coarse() {
  if (!seam_active) return nanotime();
  const bool recent = sample_round != 0 && sched.rounds + 1 - sample_round < kCoarseRounds;
  return recent && !clock_is_virtual() ? sample_ns : nanotime_round();
}

void clock_use(ClockKind kind) {
  simulated.store(kind == ClockKind::simulated, std::memory_order_relaxed);
  virtual_ns.store(kVirtualStartNs, std::memory_order_relaxed);
  sample_round = 0;
}

bool clock_is_virtual() { return simulated.load(std::memory_order_relaxed); }

void clock_advance_to(int64_t when_ns) {
  if (when_ns > virtual_ns.load(std::memory_order_relaxed)) {
    virtual_ns.store(when_ns, std::memory_order_relaxed);
  }
}

}  // namespace reprise::rt
