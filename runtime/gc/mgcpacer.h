// The pacer: when a cycle starts, how large the heap may become meanwhile, and how much marking an allocation pays for
// (reference, section 6.1).
//
//   goal          = marked + (marked + stacks + roots) * percent / 100, at least the minimum, at most what the memory
//                   limit leaves
//   trigger       = goal - runway, the bytes that the last cycle allocated for each byte that it scanned, times what there
//                   is to scan; kept between 70 and 95 % of the way from marked to goal
//   assist ratio  = bytes left to mark / bytes left to allocate before the goal
//
// (The first fraction that the reference prints for the ratio, (goal - marked) / (live - marked), is not equal to its
// second; the second is the one that its text explains, and the one here.)
//
// Arithmetic and nothing else: no clock, no atomics, no globals, so that tests state cases and controlled runs repeat. Who
// calls holds the world stopped, or the pacer's lock (mgc.cc), and publishes the results.
//
// Thread safety: the caller's.
#pragma once

#include <cstdint>

namespace reprise::rt {

inline constexpr int64_t kHeapMinimumBytes = 4 << 20;   // at 100 percent
inline constexpr int64_t kGcReviseBytes = 64 << 10;     // the ratio is recomputed after so much allocation
inline constexpr int64_t kGcOverAssistWork = 64 << 10;  // an assist works ahead by so much, if there is work
// More than this an assist does not earn: when little is left to mark the ratio is of two small numbers, and one batch would
// buy what is allocated in many slices. Nobody would look meanwhile whether marking is over.
inline constexpr int64_t kGcMaxCreditBytes = 256 << 10;
inline constexpr int64_t kNoLimit = INT64_MAX;

// What part of the Ps marks in the background.
inline constexpr double kGcBackgroundUtilization = 0.25;

struct WorkerPlan {
  int32_t dedicated = 0;    // Ps that do nothing else
  double fractional = 0;    // of each other P's time
};
// A quarter of the Ps. Rounded to whole ones unless that is off by more than 30 %, then fractions make up the rest.
WorkerPlan plan_workers(int32_t procs);

struct AssistRatio {
  double work_per_byte = 0;  // bytes to scan for a byte allocated
  double bytes_per_work = 0;
};

class Pacer {
 public:
  // percent < 0: off, but for the limit. Takes effect at once.
  void set_percent(int32_t percent);
  void set_limit(int64_t bytes) { limit_ = bytes; }
  int32_t percent() const { return percent_; }
  int64_t limit() const { return limit_; }

  // Before anything was ever marked.
  void reset();

  int64_t goal() const;
  int64_t trigger() const;
  // Whether a heap of so many live bytes should start a cycle.
  bool due(int64_t heap_live) const { return heap_live >= trigger(); }

  // A cycle starts with so many bytes live.
  void begin(int64_t heap_live);
  // During a cycle: heap_live bytes, scan_work of them scanned. Once the goal is passed the cycle must end, so the
  // ratio assumes the worst (all that is live must be scanned) and a goal a little further.
  AssistRatio revise(int64_t heap_live, int64_t scan_work) const;
  // It ends: marked bytes survive; scan_work were scanned, of which stack_bytes were stacks and roots.
  void end(int64_t marked, int64_t heap_live, int64_t scan_work, int64_t stack_bytes);

  int64_t heap_marked() const { return marked_; }

 private:
  int64_t minimum() const;
  int64_t percent_goal() const;

  int32_t percent_ = 100;
  int64_t limit_ = kNoLimit;
  int64_t marked_ = 0;       // by the last cycle
  int64_t last_scan_ = 0;    // what the last cycle scanned, heap alone
  int64_t last_stacks_ = 0;
  int64_t triggered_ = 0;    // live bytes at the start of the cycle under way
  double cons_mark_ = 0;     // bytes allocated for a byte scanned, in the last cycles
};

}  // namespace reprise::rt
