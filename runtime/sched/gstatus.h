// The transitions of a goroutine's status, in line where both ends are known: six for each meeting of two goroutines.
//
// Two wakers of one waiting goroutine would be the runtime's gravest mistake, and the only transition
// that two threads can try at once: a compare-and-swap finds it for sure. The others have one owner,
// and a plain exchange would prove no more than the check does.
//
// Thread safety: the goroutine's owner, or whoever wakes it.
#pragma once

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

constexpr bool may_become(GStatus from, GStatus to) {
  using enum GStatus;
  switch (from) {
    case idle: return to == dead;
    case runnable: return to == running;
    case running: return to == runnable || to == waiting || to == syscall || to == dead;
    case syscall: return to == running || to == runnable;
    case waiting: return to == runnable;
    case dead: return to == runnable;
  }
  return false;
}

[[noreturn]] void bad_transition(const G* gp, GStatus from, GStatus to, GStatus found);

// casgstatus (sched.h) of a transition that exists.
template <GStatus kFrom, GStatus kTo>
[[gnu::always_inline]] inline void change_status(G* gp) {
  static_assert(may_become(kFrom, kTo));
  GStatus found = kFrom;
  if constexpr (kFrom == GStatus::waiting) {
    if (!gp->status.compare_exchange_strong(found, kTo, std::memory_order_acq_rel)) [[unlikely]] {
      bad_transition(gp, kFrom, kTo, found);
    }
  } else {
    found = gp->status.load(std::memory_order_relaxed);
    if (found != kFrom) [[unlikely]] bad_transition(gp, kFrom, kTo, found);
    gp->status.store(kTo, std::memory_order_release);
  }
}

}  // namespace reprise::rt
