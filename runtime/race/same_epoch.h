// The common access in line: one that adds nothing to what its goroutine did to the same bytes in the same epoch.
//
// FastTrack's same-epoch rule (Flanagan and Freund, PLDI 2009, figure 5, [FT READ SAME EPOCH] and [FT WRITE SAME EPOCH]), for reads after
// writes too. Whatever races with the access races with the kept one: neither released anything in between, so nothing that comes
// after one comes before the other; and the kept one was checked against all that came before it, and what came since and is not ordered
// with it was checked against it. So the detector has nothing to learn, and what is left is the scheduling point, which has to be one
// of quick_points.h's. That the goroutine has been given such points says, moreover, that its task is of this schedule, that no
// operation of it is to be settled, and that no threads take turns. An epoch is of one schedule alone (sync.cc), so the cell is of this one too.
//
// Thread safety: any thread; only the goroutine that has the quick points comes beyond the first line.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/race/access.h"
#include "runtime/race/detector.h"
#include "runtime/race/shadow.h"
#include "runtime/race/task.h"
#include "runtime/sched/here.h"
#include "runtime/sched/quick_points.h"

namespace reprise::race {

// True: it has been counted, and that was all. Of a thread-local variable, which is nobody's and no point, no access is kept, so it
// never comes out true. REQUIRES: it lies in one cell.
[[gnu::always_inline]] inline bool adds_nothing(uint64_t address, What what, const void* pc, uint64_t stack) {
  rt::QuickPoints& quick = rt::quick_points;
  const rt::G* const gp = rt::g_here();
  if (!quick.belong_to(gp)) return false;
  if (stack < gp->ctx.stack_lo || stack >= gp->ctx.stack_hi) return false;  // a signal's handler
  if ((gp->no_preempt | static_cast<uint32_t>(gp->ctx.m->locks)) != 0) return false;
  const Cell* const cell = cell_if_made(address);
  const auto* const task = static_cast<const Task*>(gp->fiber.handle);
  const auto known = [&](const Past& past) { return past.when == task->now && includes(past.what, what); };
  if (!known(cell->past[0]) && !known(cell->past[1]) && !known(cell->past[2])) return false;
  if (cell->owner == task->owner) return true;
  if (cell->owner != kShared || quick.left == 0) return false;
  quick.pass(address, (what & kWrites << kHowShift) != 0, pc);
  return true;
}

}  // namespace reprise::race
