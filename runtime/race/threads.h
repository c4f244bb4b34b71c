// Threads of the program's own, as tasks.
//
// Under the stage one thread runs at a time, so their accesses can be looked at as goroutines' are. A thread is
// born of whoever made it and over when somebody has joined it: the destructors of its thread_local variables,
// which run after its function, come before that too. A detached thread is known to be over when another gets its stack.
//
// A thread that does not take turns (no stage: in the search of explore(); a forked child), or that
// pthread_create() did not make, cannot be followed. What it orders would be missed and others be accused, so from the
// moment it is seen nothing is reported until the next schedule.
//
// Thread safety: the baton.
#pragma once

#include <cstdint>

#include "runtime/race/task.h"

namespace reprise::race {

// Of the thread that runs, which runs no goroutine. Null: it cannot be followed.
Task* thread_here();
// The same where checked code runs: loses sight if it cannot be followed. Null too off its own stack.
Task* running_thread(uint64_t stack_pointer);
// The same where something is ordered. Threads of the runtime's and of libc's order nothing of the program's.
Task* synchronising_thread();

// A thread that `maker` makes; null if it cannot be followed.
Task* thread_made(Task* maker);
void thread_starts(Task* thread);                  // on it, first of all
void thread_over(Task* thread, Task* joiner);      // or it never came to be

// Under the stage, and not in a forked child.
bool threads_take_turns();

// On whose stack this is; null if it is no thread's.
const Task* thread_at(uint64_t address);

// Where there are threads: lets the one go on that has waited longest, at once or after some more calls, as the
// policy's draws have it.
void pass_turn_among_threads(const Task* task);
extern Task* threads;  // all that are not known to be over
inline void pass_turn(const Task* task) {
  if (__builtin_expect(threads != nullptr, 0)) pass_turn_among_threads(task);
}

void threads_forget();

}  // namespace reprise::race
