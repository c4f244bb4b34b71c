// Scheduling points at which nothing can happen, counted in line by the code that passes them.
//
// Most accesses of checked code come to a point that only counts: ticks are left, or nobody else is ready. How many such points are ahead
// is known, so the seam gives them to the goroutine that runs, and takes back what is left of them before it looks at a count,
// changes the ready set, or somebody else goes on. Until then the last point passed is noted by its address alone, and is announced when
// they are taken back: nobody reads a goroutine's announcement before.
//
// Thread safety: the goroutine that has the points, and the holder of the P while none has. `who` is atomic because
// threads that take no turns (an exploration's without the stage) compare it with their own goroutine, which they do not have.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

struct alignas(64) QuickPoints {
  static constexpr uint64_t kNobody = 1;             // no goroutine's address, and not null
  static constexpr uint64_t kWrite = uint64_t{1} << 63;

  std::atomic<uint64_t> who{kNobody};  // the goroutine's address. Relaxed: only its own thread finds itself here
  uint64_t left = 0;
  uint64_t given = 0;
  uint64_t address = 0;                // of the last that was passed, with kWrite if it writes
  const void* pc = nullptr;

  bool belong_to(const G* gp) const {
    return who.load(std::memory_order_relaxed) == reinterpret_cast<uint64_t>(gp);
  }
  // REQUIRES: left != 0, and they are the caller's; its no_preempt is 0.
  void pass(uint64_t at, bool writes, const void* from) {
    --left;
    address = writes ? at | kWrite : at;
    pc = from;
  }
};
[[gnu::visibility("hidden")]] extern QuickPoints quick_points;

// Gives the goroutine that runs the points ahead of it at which nothing can happen, perhaps none. REQUIRES: a policy; on gp.
void seam_give_quick_points(G* gp);
// Takes them back.
void seam_take_quick_points_back();

}  // namespace reprise::rt
