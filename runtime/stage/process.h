// Threads, children, exec and exit of the program, for trap.cc.
#pragma once

#include "runtime/stage/call.h"

namespace reprise::stage {

long do_clone(Thread& t, Call& call);  // and fork, vfork
long do_exec(Thread& t, Call& call);   // and execveat
long do_exit(Thread& t, Call& call);
long do_exit_group(Thread& t, Call& call);
long do_arch_prctl(Thread& t, Call& call);
long do_set_tid_address(Thread& t, Call& call);
long do_gettid(Thread& t, Call& call);
long do_sched_getaffinity(Thread& t, Call& call);

// Sends system calls of this thread to on_trap() from now on. REQUIRES: handlers are installed.
void arm(Thread& t);

// The executable, as /proc/self/exe would show it, and the process id that the program knows.
const char* program_path();
long program_pid();

// The registers with which a new thread, or a child of vfork, returns from clone with these flags.
void prepare_start(Thread& child, const Thread& parent, const Call& call, long flags);

// One core until the program's libraries have looked at it: cpuid tells which core answers.
void pin_to_one_core();
void unpin();
// The same for an execve that may fail, and what to do when it did.
void give_back_cores();
void keep_to_core_again();

}  // namespace reprise::stage
