// Blocks of thread-local variables in controlled modes: a goroutine that is preempted at an instruction keeps its own, and so does
// one that gives way inside a function of libc's (stays.h).
//
// All goroutines that are not locked to a thread run on m0. One that is interrupted between two instructions may be
// in the middle of something on a variable of the thread: its own thread_local, what libc keeps there (the locale, dlerror's
// text), what libstdc++'s inline code does. Natively it keeps its thread (M::held). Here it keeps the *block*, the memory behind
// the thread pointer, and m0 goes on with another until it is the goroutine's turn again: no thread is switched, so a preemption
// costs no more than the two writes of a register.
//
// A block is lent by a thread of the runtime's that sleeps for ever, so libc has set it up, and knows it where libraries are
// loaded. There are as many as goroutines kept one at once, kMaxThreadBlocks at most; at that number nobody is preempted at an
// instruction, as natively where threads run out. Which block is next depends on the schedule alone: the first free one, m0's own before others.
//
// Who waits keeps nothing, unless it stays: after a wait a goroutine may find another block, as natively it may find another thread.
//
// Who stays finds its block again however many do. Where none is left to be kept it *shares* the one that it is in: others run there,
// but until all who share have left nobody keeps a block anew, so that each finds its own free; and what its addresses
// lead to nobody is in the middle of, since who is preempted at an instruction keeps a block.
//
// Thread safety: m0, on g0, with the P, unless said otherwise.
#pragma once

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

inline constexpr int kMaxThreadBlocks = 128;

// gp was preempted at an instruction: it keeps the block, and m0 goes on with a free one. A goroutine that is locked to
// a thread has that thread's anyway. On the g0 of gp's M.
void keep_thread_block(G* gp);

// m0 has gp's block, or a free one if it kept nothing. Before each execute() on m0.
void take_thread_block(G* gp);

// From now on gp goes on in the block that it is in, whenever it does, until leave_thread_block(). False: there is nothing to do,
// because it has a thread of its own, stays already, or no code is counted and there is one block. gp runs; on its stack.
bool stay_in_thread_block(G* gp);
void leave_thread_block(G* gp);

// Are there lenders, threads that libc knows by blocks which are not theirs alone? In the child of a fork there are none. On any thread with the baton.
bool thread_blocks_are_lent();

// Is there a block for m0 to go on with if gp is preempted? On any thread with the baton, also in signal handlers.
bool may_keep_thread_block(const G* gp);

}  // namespace reprise::rt
