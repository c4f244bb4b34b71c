// Threads of the runtime: what each needs before it may run goroutines.
//
// Thread safety: minit and munit act on the calling thread; mcommoninit takes sched.lock.
#pragma once

#include <signal.h>

#include <span>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Gives an M its id and links it into allms.
void mcommoninit(M* mp);
// Finds this thread's errno and exception globals, and gives it a stack for fault signals.
void minit(M* mp);
void munit(M* mp);

// A detached thread of the runtime's own: not counted among the program's. False if there is none to
// be had. The second one starts with every signal blocked. A stack that is given belongs to the thread for ever.
bool create_runtime_thread(void* (*main)(void*), void* arg, std::span<char> stack = {});
bool create_runtime_thread_masked(void* (*main)(void*), void* arg, std::span<char> stack = {});

// The signal mask that the program started with; every M runs with it (boot/schedinit.cc).
const sigset_t& initial_sigmask();

}  // namespace reprise::rt
