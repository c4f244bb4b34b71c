// The bridge to C (reference, section 13): goroutines call C, C calls back.
//
// cgocall runs a C function on a stack of its own (cstack.h). In native mode it lets go of the P for that time, as a system
// call does: other goroutines go on, however long C takes, and however many such calls there are. In controlled modes C
// keeps the baton (DESIGN, section 3); where it waits by libc's locks, conditions and joins the goroutine parks.
//
// cgocallback is what C calls to get back:
//  - inside a cgocall it runs on the goroutine that made it, on that one's stack below the call, and the goroutine
//    keeps its thread until it returns to C;
//  - on a thread that the runtime does not know it gets an M that stays the thread's until the thread ends (needm), and
//    a goroutine locked to it. In controlled modes a goroutine of m0 does it while the thread sleeps (foreign.h);
//  - on a goroutine that called C directly it is a call.
//
// A panic may cross C: the deferred calls below have run, C's frames are left (its destructors run, if it has any), and
// the goroutine's deferred calls may recover it. While it crosses, a second one ends the process (m.dying). A C++
// exception may not leave a callback or the C function: fatal. Frames of the runtime may not be left by longjmp: fatal
// at the next way in or out.
//
// Thread safety: cgocall on a goroutine, cgocallback on any thread. Both block the G; cgocall the M too.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

int32_t cgocall(int32_t (*fn)(void*), void* arg);
void cgocallback(void (*fn)(void*), void* arg);

// Where the frames of the goroutine end that is in C at `sp`, on its own stack; 0: that is no stack of C's. For whoever
// scans stacks: what C has on its own is not looked at.
uint64_t goroutine_above_c(uint64_t sp);

// Ms that were made for foreign threads and are in use now.
size_t foreign_ms_for_test();

// ---- needm.cc ----
// Runs fn(arg) on a goroutine locked to this thread, which the runtime does not know. Native mode.
void run_on_foreign_thread(void (*fn)(void*), void* arg);

}  // namespace reprise::rt
