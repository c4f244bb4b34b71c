// The histogram of pauses. Invariant: bucket i holds what is below bound(i) and not below bound(i - 1); the last one is open.
#include "runtime/gc/pauses.h"

#include <algorithm>
#include <atomic>
#include <bit>

namespace reprise {

namespace {

constexpr size_t kBuckets = std::tuple_size_v<decltype(MemStats::pauses)>;
constexpr int kFirstBits = 8;  // below 256 ns all are alike

constexpr uint64_t bound(size_t bucket) {
  const uint64_t octave = uint64_t{1} << (kFirstBits + bucket / 4);
  return octave + octave / 4 * (bucket % 4);
}

constexpr size_t bucket_of(uint64_t ns) {
  if (ns < bound(0)) return 0;
  const auto octave = static_cast<size_t>(std::bit_width(ns) - 1 - kFirstBits);
  const size_t quarter = ns >> (std::bit_width(ns) - 3) & 3;
  return std::min(octave * 4 + quarter + 1, kBuckets - 1);
}
static_assert(bucket_of(255) == 0 && bucket_of(256) == 1 && bucket_of(319) == 1 && bucket_of(320) == 2);
static_assert(bound(bucket_of(1'000'000)) > 1'000'000 && bound(bucket_of(1'000'000) - 1) <= 1'000'000);

}  // namespace

uint64_t MemStats::pause_percentile_ns(double share) const {
  const auto wanted = static_cast<uint64_t>(static_cast<double>(pause_count) * share);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += pauses[i];
    if (seen > wanted || (seen == pause_count && seen != 0)) return std::min(bound(i), pause_max_ns);
  }
  return 0;
}

namespace rt {

namespace {

// Relaxed: written by the one driver, whose successor it happens before.
struct Pauses {
  std::atomic<uint64_t> buckets[kBuckets] = {};
  std::atomic<uint64_t> count{0}, total_ns{0}, max_ns{0};
};
constinit Pauses pauses;
PauseWork most;  // the driver; read by tests between cycles

}  // namespace

void pause_note_work(const PauseWork& work) {
  most.spans = std::max(most.spans, work.spans);
  most.barrier_words = std::max(most.barrier_words, work.barrier_words);
  most.scanned_bytes = std::max(most.scanned_bytes, work.scanned_bytes);
}

PauseWork pause_most_work_for_test() { return most; }

void pause_note(int64_t ns) {
  const auto length = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
  pauses.buckets[bucket_of(length)].fetch_add(1, std::memory_order_relaxed);
  pauses.count.fetch_add(1, std::memory_order_relaxed);
  pauses.total_ns.fetch_add(length, std::memory_order_relaxed);
  if (length > pauses.max_ns.load(std::memory_order_relaxed)) pauses.max_ns.store(length, std::memory_order_relaxed);
}

void pauses_add(MemStats* stats) {
  for (size_t i = 0; i < kBuckets; ++i) stats->pauses[i] = pauses.buckets[i].load(std::memory_order_relaxed);
  stats->pause_count = pauses.count.load(std::memory_order_relaxed);
  stats->pause_total_ns = pauses.total_ns.load(std::memory_order_relaxed);
  stats->pause_max_ns = pauses.max_ns.load(std::memory_order_relaxed);
}

}  // namespace rt
}  // namespace reprise
