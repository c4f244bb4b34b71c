// The counted flavour at run time: ticks, the counter that expires, and which text is counted.
//
// A *tick* is a function entry or a loop back edge of counted code (asm/tick_page.h). Ticks of all
// goroutines and threads of a controlled run are counted together: one runs at a time, so that the
// count names an instant of the run, the same in record and replay. The counter is armed for a
// number of ticks; at the last of them the slow path asks tick_expired() on a stack of its own, with
// every register saved and nothing written to the goroutine's stack, so that an expiry which changes
// nothing leaves no trace.
//
// Only in controlled modes. In native mode counted code does not count (tools/counted/module.cc), but in
// schedules that are explored.
//
// Thread safety: the thread that holds the baton. in_counted_text() and tick_branch_end() may be
// called from signal handlers, and read what changes only while the dynamic linker's lock is held.
#pragma once

#include <cstdint>

#include "asm/tick_page.h"

namespace reprise::rt {

struct G;

// Is any code of this process counted? False also before the first module is linked in.
bool counted_program();

// Ticks of the run so far. Exact wherever no `subq` is half done, that is everywhere.
uint64_t ticks_elapsed();

// The counter expires at the n-th tick from now. n >= 1; kTicksNever: does not expire.
void ticks_arm(uint64_t n);
inline constexpr uint64_t kTicksNever = INT64_MAX;

// Is pc in a counted function (in user text where preemption at any instruction is allowed and where no
// loop lacks a tick)? The out-of-line stubs of sites are not. Takes a binary search.
bool in_counted_text(uint64_t pc);

// If pc is between a site's `subq` and its `js`, where flags depend on how the counter was armed: the
// address after the `js`, where to say the goroutine is. Else pc.
uint64_t tick_branch_end(uint64_t pc);

// May this goroutine be switched out at an instruction of counted text, with this stack pointer? On a
// goroutine's own stack with headroom for the saved state, not between no_preempt's, no runtime lock,
// not in a callback that libc makes under a lock of its own (LibcCallback), the program not dying.
bool may_preempt_at(const G* gp, uint64_t sp);

enum class TickAnswer : int { go_on = 0, preempt = 1 };

// What to do at an expired counter, where the stack pointer was sp. It is called on the tick stack, by the thread
// whose tick it is, which may be a foreign one; it arms the counter again. `preempt` injects asyncPreempt after
// the site's `js`, exactly as a preemption signal there would: the goroutine's own stack is first written by
// that. ENSURES for `preempt`: may_preempt_at(curg(), sp).
TickAnswer tick_expired(uint64_t sp);

// Offers counted code to the stage, if a run is controlled from its start. g0, when the policy is there.
void countedinit();

// From here on counted code counts in schedules (schedules.h), and may be preempted at any tick: the policy
// draws how far it is to each preemption. Nothing where no code is counted, or under the stage. REQUIRES: no
// other thread is in counted code.
void counted_explore();
void counted_explore_end();
void counted_begin_schedule();

// While one lives, what runs does not count: code that is not the same each time that a schedule is run, as a
// policy, may share functions with counted code.
class TicksAside {
 public:
  TicksAside();
  ~TicksAside();
  TicksAside(const TicksAside&) = delete;
  TicksAside& operator=(const TicksAside&) = delete;

 private:
  int64_t counter_;
};

// While one lives, its goroutine is inside a call of libc's that holds a lock and may call back.
class LibcCallback {
 public:
  LibcCallback();
  ~LibcCallback();
  LibcCallback(const LibcCallback&) = delete;
  LibcCallback& operator=(const LibcCallback&) = delete;

 private:
  G* gp_;
};

}  // namespace reprise::rt
