// Offsets in stage::Gate, stage::HotFrame and stage::Site (gate.h, rewrite.h), read by C++, by the
// assembler and by the embedded vdso.
#pragma once

#define REPRISE_GATE_THREAD 0       // the thread block
#define REPRISE_GATE_CALL_STACK 8   // top of the stack on which entries run, 16-aligned
#define REPRISE_GATE_USER_SP 16     // the program's stack pointer during a rewritten call
#define REPRISE_GATE_CLOCK 24       // entry for the vdso: Table::clock
#define REPRISE_GATE_SYSCALL 32     // entry for the vdso: Table::syscall
#define REPRISE_GATE_HOT 40         // entry for rewritten calls
#define REPRISE_GATE_LEAVE 48       // 8 bytes: how an entry ends (Gate::Leave)
#define REPRISE_GATE_RESUME_IP 56   // where the program goes on
#define REPRISE_GATE_RESUME_RCX 64  // what it finds in rcx and r11
#define REPRISE_GATE_RESUME_R11 72
#define REPRISE_GATE_ARGS 80        // seven words: number and arguments of a call left to the trap

#define REPRISE_LEAVE_RETURN 0   // nothing is due
#define REPRISE_LEAVE_DELIVER 1  // the call is done; a signal comes before the program goes on
#define REPRISE_LEAVE_CALL 2     // the call is not done: the trap must do it

#define REPRISE_SITE_RESUME 0  // where a rewritten call goes on

// The embedded vdso is mapped at this address, in front of the stage. Its first instructions of
// text are the two trapping system calls of our own (vdso/traps_amd64.S).
#define REPRISE_VDSO_BASE 0x7e8fffff0000
#define REPRISE_VDSO_TRAPS 0x800
#define REPRISE_TABLE 0x7e8fffff1000  // stage::Table, in the page behind it
#define REPRISE_TRAP_GATE 0x7e8fffff0800  // `syscall`: what it means is in the gate
#define REPRISE_TRAP_CALL 0x7e8fffff0810  // `syscall`, then a return: a system call as any other
