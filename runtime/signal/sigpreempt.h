// Asynchronous preemption in native mode: SIGURG interrupts a goroutine that passes no scheduling point
// (reference, section 12).
//
// Thread safety: any thread, unless it says otherwise.
#pragma once

#include <csignal>
#include <cstdint>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Takes SIGURG over, if asynchronous preemption is wanted and possible. Once, at boot, in native mode.
void sigpreempt_init();
bool async_preempt_on();

// The reference's signalM: asks mp's thread to look at its P's request. At most one is under way.
void signal_preempt(M* mp);

// The program's sigaction for SIGURG. REQUIRES: async_preempt_on().
int urgent_action(const struct sigaction* action, struct sigaction* before);

// Since the start; to be seen, not to be relied on.
struct PreemptCounts {
  uint64_t sent = 0;       // signals
  uint64_t preempted = 0;  // goroutines interrupted at an instruction
};
PreemptCounts preempt_counts();

}  // namespace reprise::rt
