// entersyscall and exitsyscall: a goroutine's system call that may block its M, but not its P.
//
// Between the two the goroutine has no P: it may not touch the runtime, park, or take a lock that a
// goroutine may hold. Native mode only; in controlled modes such calls go to a worker thread.
//
// Thread safety: on a goroutine. Blocks the G and the M; sysmon takes the P if the call lasts.
#pragma once

namespace reprise::rt {

// Native mode, and on a goroutine.
bool can_enter_syscall();
void entersyscall();
void entersyscallblock();  // a call that is known to last: another M gets the P at once
void exitsyscall();  // may switch goroutines, and come back on any P

}  // namespace reprise::rt
