// Questions of the stage, and the switch.
//
// Invariants: place() and next() run in signal handlers at an instruction of counted code, so no lock of
// the runtime is held and no policy is being asked; they write nothing that the program can see, since a
// replay does not call them. preempted() is the same in record and in replay.
#include "runtime/sched/exact.h"

#include "asm/preempt.h"
#include "asm/tick_page.h"
#include "runtime/sched/counted.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"
#include "runtime/seam/policy_memory.h"

namespace reprise::rt {

namespace {

using stage::CountedCode;

CountedCode code;

bool anybody_else() { return ready_size() != 0 || timers_pending() || netpoll_waiting(); }

CountedCode::Place place(uint64_t sp) {
  const G* gp = getg();
  if (gp == nullptr || gp != curg() || !may_preempt_at(gp, sp)) return CountedCode::Place::no;
  return anybody_else() ? CountedCode::Place::yes : CountedCode::Place::pointless;
}

uint32_t slices() {
  const P* pp = allp[0].load(std::memory_order_relaxed);
  return pp == nullptr ? 0 : pp->schedtick.load(std::memory_order_relaxed);
}

CountedCode::Distance next() { return distance_of(seam_draw_interrupt()); }

}  // namespace

stage::CountedCode::Distance distance_of(uint64_t bits) {
  constexpr uint64_t kTickScales = 21, kStepScales = 7;
  if (bits == seam::Policy::kUnbounded) return {0, 0};
  const auto take = [&bits](uint64_t n) {
    const uint64_t low = bits % n;
    bits /= n;
    return low;
  };
  const uint64_t tick_scale = uint64_t{1} << take(kTickScales);
  const uint64_t step_scale = uint64_t{1} << take(kStepScales);
  const uint64_t ticks = tick_scale + take(tick_scale);
  return {ticks, static_cast<uint32_t>(step_scale / 2 + take((step_scale + 1) / 2))};
}

void exact_install(const stage::Table& table) {
  if (!counted_program()) return;
  seam::policy_ticks = &asm_::tick_page()->counter;
  code = {.policy_depth = &seam::policy_memory_depth,
          .in_text = in_counted_text,
          .branch_end = tick_branch_end,
          .place = place,
          .next = next,
          .preempt = reprise_async_preempt,
          .slices = slices};
  table.counted(&code);
}

}  // namespace reprise::rt
