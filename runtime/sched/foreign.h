// What a thread that runs no goroutine does where a goroutine would park: it has one park in its place.
//
// A thread of the program's own (std::thread, a library's) has no stack that the scheduler could leave. So
// an operation that must wait is done once more, from its start, on a goroutine made for it, and the
// thread sleeps until that has returned. What it points to lies on the thread's stack, which stands
// still meanwhile. Only the way into a wait asks which it is; operations that need not wait run on the
// thread itself and cost what they cost a goroutine. A panic is the goroutine's, so its traceback
// begins there.
//
// Thread safety: a thread that runs no goroutine, holding no runtime lock. Blocks the thread.
#pragma once

#include <type_traits>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Calls f(arg) on a new goroutine and returns when that has returned.
void run_on_goroutine(void (*f)(void*), void* arg);

template <class F>
void on_goroutine(F&& f) {
  run_on_goroutine([](void* arg) { (*static_cast<std::remove_reference_t<F>*>(arg))(); }, &f);
}

// True on a thread that the runtime does not know.
inline bool on_foreign_thread() { return getg() == nullptr; }

}  // namespace reprise::rt
