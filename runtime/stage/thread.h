// A thread of the program, as the stage knows it, and the baton.
//
// Each thread has a block at tape::kThreadBase + index * kThreadBytes: its gate, the stacks on which
// the stage runs for it (the kernel's alternate signal stack; the gate's call stack), its queued
// signals, its signal mask as the program believes it to be, the vector state of interrupted code.
// The block is found from any address on those stacks, so the stage needs no thread-local storage;
// calls without a trap find it by the gs base.
//
// The baton: at most one thread executes instructions of the program. It is put down round calls
// that may block and taken up after them. Live, it goes round in the order of asking (tickets); in
// replay to the thread that the next record of the tape names.
//
// Ownership: a block belongs to its thread, except `pending` and the queue, which the thread's own
// signal handler fills while the rest of the thread has the signal unblocked. Blocks are reused
// once the kernel has reported the thread's end.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdint>

#include "runtime/stage/gate.h"
#include "runtime/stage/layout.h"

namespace reprise::stage {

inline constexpr int kSignalQueue = 16;
inline constexpr size_t kVectorBytes = 12288;   // XSAVE area, AMX included

// Callee-saved registers at the entry of guarded(); offsets are known to entry_amd64.S.
struct Guard {
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp;
};

struct QueuedSignal {
  int signal;
  bool forced;  // accepted under a call's own mask: `Thread::mask` does not hold it back
  siginfo_t info;
};

// Vector state of code that a signal handler interrupted: an XSAVE image up to the last component in
// use, then this. It stays out of the program's memory, because the images differ between runs.
struct SavedVector {
  uint64_t frame;  // address of the signal frame that it belongs to
  uint32_t bytes;      // of the image before
  uint32_t alternate;  // the frame lies on the alternate signal stack
};

// Start of every block.
struct Thread {
  Gate gate;                   // what the gs base points to
  volatile int pending;        // a signal is queued
  uint32_t index;
  volatile uint32_t alive;     // the kernel clears it when the thread is gone
  int queued;
  Guard* guard;                // innermost guarded access to the program's memory
  uint64_t mask;               // blocked signals, as the program set them
  uint64_t clear_tid;          // CLONE_CHILD_CLEARTID, done by the stage
  uint64_t set_tid;            // CLONE_CHILD_SETTID
  int32_t tid;                 // as the program sees it
  uint32_t clock_readings;     // up to kReadingsUntilFree
  bool counter_free;           // rdtsc does not trap in this thread (instructions.h)
  volatile bool slice_hit;     // the timer of time slices interrupted its call (preempt.h); its own signal handler sets it
  volatile bool own_mask;      // in a call that brings its own mask (ppoll, rt_sigsuspend, ...)
  bool vforked;                // a child in its parent's memory (vfork.h)
  bool over;                   // and it has ended, or
  uint16_t executes;           // this call (execve, execveat) may replace it, made
  uint64_t execute_check;      // with this check
  stack_t alternate;           // the program's own alternate stack
  QueuedSignal queue[kSignalQueue];
  ucontext_t start;            // registers of a new thread
  uint8_t* vectors;            // of interrupted code: a stack of images; null until there is one
  uint32_t vectors_used;       // bytes of it
  alignas(64) uint8_t start_vectors[kVectorBytes];
  alignas(64) uint8_t start_stack[8 << 10];
  alignas(64) uint8_t stack[96 << 10];
  alignas(64) uint8_t call_stack[48 << 10];  // of calls without a trap
};
static_assert(offsetof(Thread, gate) == 0);
static_assert(sizeof(Thread) <= kThreadBytes);

// The current thread. REQUIRES: running on the stage's stack.
inline Thread& self() {
  return *reinterpret_cast<Thread*>(reinterpret_cast<uint64_t>(__builtin_frame_address(0)) &
                                    ~(kThreadBytes - 1));
}

// Maps or cleans a free block; null if kMaxThreads are alive. Caller holds the baton.
Thread* new_thread();
// The calling thread's block becomes free when the kernel clears `alive`.
uint32_t threads_alive();
Thread& first_thread();
// Takes back a block whose thread was never started.
void discard_thread(Thread& t);
void thread_ends();
// The same for another thread that the kernel has reported gone.
void thread_ended(const Thread& t);
// A forked child or a new image: only this thread is left.
void only_thread();

// ---- the baton ----
// Puts it down; false if there is nobody to give it to, and then it stays held. A child of vfork
// keeps it for its parent.
bool baton_leave();
// Puts it down in any case: a thread that ends.
void baton_release();
// Takes it up. REQUIRES: baton_leave() returned true, or a thread that starts.
void baton_take();
// Live: who took it last, and has it unless it lies down. Any thread, in signal handlers too.
Thread& baton_holder();
// Live: how many threads wait for it now.
uint32_t baton_waiters();
// Replay: hands over to the thread of the next record and waits until the next is of `index`.
void owner_wait(uint32_t index);
void owner_pass();

// ---- memory of the program that may not be there ----
extern "C" bool stage_guarded(void (*fn)(void*), void* arg, Guard* guard);

// Runs fn(); false if it touched memory that the program does not have. fn must hold nothing that
// needs releasing: it is abandoned at the faulting instruction.
template <typename F>
bool guarded(F&& fn) {
  Thread& t = self();
  Guard guard;
  Guard* const outer = t.guard;
  t.guard = &guard;
  const bool ok = stage_guarded([](void* arg) { (*static_cast<F*>(arg))(); },
                                const_cast<void*>(static_cast<const void*>(&fn)), &guard);
  t.guard = outer;
  return ok;
}

}  // namespace reprise::stage
