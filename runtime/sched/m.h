// Threads of the runtime: what each needs before it may run goroutines.
//
// Thread safety: minit and munit act on the calling thread; mcommoninit takes sched.lock.
#pragma once

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Gives an M its id and links it into allms.
void mcommoninit(M* mp);
// Finds this thread's errno and exception globals, and gives it a stack for fault signals.
void minit(M* mp);
void munit(M* mp);

}  // namespace reprise::rt
