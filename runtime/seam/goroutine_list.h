// Where the goroutines of a stopped program are, for whoever reads its memory from outside.
//
// The runtime says once where its list begins and at which offsets a G holds what. The `reprise`
// command follows the list in the memory of a run that the stage has halted, so nothing of the
// program runs for a report and nothing in it changes.
//
// Thread safety: written before goroutines run, then constant. The list itself may be read only while
// the program stands. Fixed-size types: both sides may be builds of their own.
#pragma once

#include <cstdint>

namespace reprise::seam {

struct GoroutineList {
  static constexpr uint32_t kVersion = 1;
  uint32_t version = kVersion;
  uint32_t next = 0;          // offsets in a G: the next one's address
  uint64_t first = 0;         // address of a pointer to the first G
  uint64_t site_base = 0;     // what is added to a site that is not 0 to get its address
  uint32_t goid = 0, parent_goid = 0, spawn_site = 0;  // 64 bits each
  uint32_t status = 0;        // 32 bits, an index of status_texts
  uint32_t wait_reason = 0;   // 8 bits, an index of reason_texts
  uint32_t locked = 0;        // 64 bits, 0 if not locked to a thread
  uint32_t system = 0;        // 8 bits, not 0: the runtime's own
  uint32_t sp = 0, pc = 0, bp = 0;         // the saved context
  uint32_t stack_lo = 0, stack_hi = 0;
  char status_texts[8][12] = {};
  char reason_texts[40][32] = {};
};

// Statuses that a reader must tell apart, by their texts.
inline constexpr char kStatusRunning[] = "running", kStatusWaiting[] = "waiting",
                      kStatusDead[] = "dead", kStatusIdle[] = "idle";

}  // namespace reprise::seam
