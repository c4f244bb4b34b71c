// Switches of stack, as the runtime's C++ calls them: the assembler's own, and in sanitizer builds
// also told to the sanitizer, which would otherwise take a switch for a wild stack pointer.
//
// mcall and systemstack are asm/asm.h's; contracts there. Thread safety: as theirs.
#pragma once

#include "asm/asm.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

#ifdef REPRISE_SANITIZED

// `last`: the goroutine will not go on.
void mcall(G* (*fn)(G*), bool last = false);
void fiber_leaves_g0(G* to);    // nothing but returns from here to the switch
void systemstack(void (*fn)(void*), void* arg);
void fiber_started(G* gp);      // the first thing that a goroutine does
void fiber_about_to_start(G* gp);  // its stack is new or used again
void fiber_ended(G* gp);        // it will not run again; on g0
void fiber_unwinding();         // frames of this goroutine are about to be left by unwinding
// What the caller did so far happens before what gp does next.
void fiber_readied(G* gp);
// Order that ThreadSanitizer does not see, because it goes through the kernel or through atomics of the
// scheduler's own files: what came before happens_before(x) happens before what follows happens_after(x).
void happens_before(const void* x);
void happens_after(const void* x);

// Collected memory, of which ThreadSanitizer does not know that it dies. Everything that goroutines did before
// fibers_stopped() happens before what follows fiber_takes_memory(), which is for whoever gets memory that
// may have been another's. REQUIRES for fibers_stopped(): the world is stopped.
void fibers_stopped();
void fiber_takes_memory();
void fiber_enters_syscall();  // it will not leave its stack, and counts as stopped
// While one lives, the memory that this thread writes is the runtime's, which hands it from P to P in ways that
// ThreadSanitizer does not see, whatever library function does the writing.
class FiberUnseen {
 public:
  FiberUnseen();
  ~FiberUnseen();
  FiberUnseen(const FiberUnseen&) = delete;
  FiberUnseen& operator=(const FiberUnseen&) = delete;
};

// A stack that was just made, without its guard: LeakSanitizer finds there what only a parked goroutine holds.
void stack_holds_pointers(uint64_t lo, uint64_t hi);
// errno of this thread is swapped when goroutines are, so that those which run here do not share it.
void errno_is_swapped();

// ThreadSanitizer: true also takes goroutines on one thread for unordered, unless something orders
// them: that is what native mode will make of them. False by default.
extern bool fibers_unordered_for_test;

#else

inline void mcall(G* (*fn)(G*), bool = false) { reprise_mcall(fn); }
inline void fiber_leaves_g0(G*) {}
inline void systemstack(void (*fn)(void*), void* arg) { reprise_systemstack(fn, arg); }
inline void fiber_started(G*) {}
inline void fiber_about_to_start(G*) {}
inline void fiber_ended(G*) {}
inline void fiber_unwinding() {}
inline void fiber_readied(G*) {}
inline void happens_before(const void*) {}
inline void happens_after(const void*) {}
inline void fibers_stopped() {}
inline void fiber_takes_memory() {}
inline void fiber_enters_syscall() {}
struct FiberUnseen {
  FiberUnseen() {}  // so that one which nobody names again is no unused variable
};
inline void stack_holds_pointers(uint64_t, uint64_t) {}
inline void errno_is_swapped() {}

#endif

}  // namespace reprise::rt
