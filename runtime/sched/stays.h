// A goroutine that finds the variables of its thread again, at the same addresses, whenever it goes on: natively because it keeps
// the thread, as one that is locked to it, under a policy because it keeps the block of variables (thread_block.h).
//
// Compilers keep the address of a thread_local in a register across a call. A program that waits by a call of the runtime's knows that
// the address is another thread's behind it. Where code that knows nothing of goroutines calls libc it cannot:
//  - at a lock that is free, and whatever else natively waits for nothing. A scheduling point there keeps the thread
//    (preempt_point_on_thread), and under a policy the block.
//  - in std::call_once, whose inline part writes variables of the thread before pthread_once and behind it. So the whole of
//    that call is made on one thread, what the function waits for and the wait for another's included.
//
// Thread safety: the goroutine that makes one, on its own stack; one inside another does nothing.
#pragma once

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

class StaysOnThread {
 public:
  // Nothing on g0 and on threads that run no goroutine. Natively nothing either for more than kMaxHeldMs goroutines at once, each of which
  // costs a thread while it waits.
  StaysOnThread();
  ~StaysOnThread();
  StaysOnThread(const StaysOnThread&) = delete;
  StaysOnThread& operator=(const StaysOnThread&) = delete;

 private:
  enum class Where : uint8_t { anywhere, on_m, in_block };

  G* gp_;
  Where where_ = Where::anywhere;
};

}  // namespace reprise::rt
