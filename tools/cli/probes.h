// What this kernel and processor offer, each tried and not guessed.
//
// A trial returns 0 or an errno-like number. Those that change the process must run by failure_of(), in a
// child of its own. Thread safety: none needed; may fork.
#pragma once

#include <cstddef>
#include <functional>

namespace reprise::cli {

// What `trial` returns in a child; EFAULT if the child dies of it.
int failure_of(const std::function<int()>& trial);

int try_dispatch();   // Syscall User Dispatch
int try_tsc();        // a trapped rdtsc
int try_cpuid();      // a trapped cpuid
int try_guard();      // MADV_GUARD_INSTALL
int try_addresses();  // the places of the stage and the runtime are free
int try_pidfd();
int try_memfd();
int try_timer();      // timer_create for a thread
int try_breakpoint(); // a hardware breakpoint in perf_event_open
int try_ptrace();
int try_signal_stack();  // the kernel's frame for this processor's vector state fits the stage's stack

size_t xsave_bytes();    // of the vector state that the kernel saves for a signal; 0: not known

}  // namespace reprise::cli
