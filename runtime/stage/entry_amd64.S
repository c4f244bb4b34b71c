// The stage's few operations that C++ cannot state. System V AMD64; nothing here touches vector
// registers, and the stage is compiled without them.
#include "asm/tick_page.h"
#include "runtime/stage/gate_offsets.h"
#include "runtime/stage/syscall_numbers.h"

        .text

#define FUNCTION(name)  .globl name; .hidden name; .type name, @function; .p2align 4; name: .cfi_startproc
#define END(name)       .cfi_endproc; .size name, . - name

// Entered by the kernel with argc at (%rsp). Ends the chain of frames.
FUNCTION(_start)
        .cfi_undefined rip
        xor     %ebp, %ebp
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    stage_main
        hlt
END(_start)

// sa_restorer of the stage's handlers: rt_sigreturn from allowed text. As a caller it is the code that
// the signal interrupted: all registers lie in the ucontext_t that the stack pointer leads to, the
// stack pointer 160 bytes in (DW_CFA_def_cfa_expression: breg7 160, deref), the others (register,
// breg7 and offset) at rbx 128, rbp 120, r12 to r15 72 to 96, rip 168.
        .globl stage_restorer
        .hidden stage_restorer
        .type stage_restorer, @function
        .p2align 4
        .cfi_startproc
        .cfi_signal_frame
        .cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06
        .cfi_escape 0x10, 3, 3, 0x77, 0x80, 0x01
        .cfi_escape 0x10, 6, 3, 0x77, 0xf8, 0x00
        .cfi_escape 0x10, 12, 3, 0x77, 0xc8, 0x00
        .cfi_escape 0x10, 13, 3, 0x77, 0xd0, 0x00
        .cfi_escape 0x10, 14, 3, 0x77, 0xd8, 0x00
        .cfi_escape 0x10, 15, 3, 0x77, 0xe0, 0x00
        .cfi_escape 0x10, 16, 3, 0x77, 0xa8, 0x01
        nop  // unwinders look for a return address one byte earlier
stage_restorer:
        mov     $SYS_rt_sigreturn, %eax
        syscall
END(stage_restorer)

// long stage_interruptible(nr, a0..a5, const volatile int* pending)
// A system call that may block. A signal queued before the instruction has been executed gives
// kMustTrap: the signal handler moves a thread found in [begin, end) to the way out, so that no
// signal is slept over.
FUNCTION(stage_interruptible)
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        mov     16(%rsp), %rcx
        .globl stage_interruptible_begin
        .hidden stage_interruptible_begin
stage_interruptible_begin:
        cmpl    $0, (%rcx)
        jne     stage_interruptible_out
        syscall
        .globl stage_interruptible_end
        .hidden stage_interruptible_end
stage_interruptible_end:
        ret
        .globl stage_interruptible_out
        .hidden stage_interruptible_out
stage_interruptible_out:
        mov     $-1024, %rax
        ret
END(stage_interruptible)

// long stage_clone(flags, stack, tls, uint32_t* clear_tid, Thread* thread)
// The child starts in stage_thread_main(thread) on `stack`, inside its own block.
FUNCTION(stage_clone)
        mov     %rcx, %r10
        mov     %r8, %r9
        mov     %rdx, %r8
        xor     %edx, %edx
        mov     $SYS_clone, %eax
        syscall
        test    %rax, %rax
        jz      1f
        ret
1:      .cfi_undefined rip
        xor     %ebp, %ebp
        mov     %r9, %rdi
        call    stage_thread_main
        hlt
END(stage_clone)

// void stage_resume(const ucontext_t*): loads the registers of a signal frame.
FUNCTION(stage_resume)
        .cfi_undefined rip
        mov     %rdi, %rsp
        mov     $SYS_rt_sigreturn, %eax
        syscall
        hlt
END(stage_resume)

// void stage_jump(sp, pc): the first instruction of the program, all other registers zero.
FUNCTION(stage_jump)
        .cfi_undefined rip
        mov     %rdi, %rsp
        push    %rsi
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        xor     %r11d, %r11d
        xor     %r12d, %r12d
        xor     %r13d, %r13d
        xor     %r14d, %r14d
        xor     %r15d, %r15d
        ret
END(stage_jump)

// Where a tick of counted code leads when the counter is used up: rax says where the program goes on, its
// own rax is in the tick page (preempt.cc).
FUNCTION(stage_tick)
        hlt  // as planted bytes: preempt.cc
END(stage_tick)

// The same in a replay, where a tick in most cases only plants a byte: no signal for that. Runs on the stage's stack
// and writes nothing to the program's; a tick at which more happens goes on to the trap with all registers as they were.
// Flags are dead but for the direction flag. Vector state: nobody here touches it.
//
//   bool stage_do_tick(uint64_t resume)   preempt.cc
FUNCTION(stage_tick_replay)
        .cfi_undefined rip
        mov     %rsp, TICK_RSP
        mov     %gs:REPRISE_GATE_CALL_STACK, %rsp
        pushq   TICK_RSP
        push    %rax
        pushf
        .irp r, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        push    %\r
        .endr
        sub     $8, %rsp
        // DW_CFA_def_cfa_expression: breg7(rsp) 88, deref. DW_CFA_expression rip: breg7 80.
        .cfi_escape 0x0f, 4, 0x77, 0xd8, 0x00, 0x06
        .cfi_escape 0x10, 16, 3, 0x77, 0xd0, 0x00
        cld
        mov     %rax, %rdi
        call    stage_do_tick
        add     $8, %rsp
        test    %al, %al
        .irp r, r11, r10, r9, r8, rdi, rsi, rdx, rcx
        pop     %\r
        .endr
        .cfi_undefined rip
        jz      1f
        popf
        popq    TICK_RESUME
        pop     %rsp
        mov     TICK_RAX, %rax
        jmp     *TICK_RESUME
1:      popf
        pop     %rax
        pop     %rsp
        jmp     stage_tick
END(stage_tick_replay)

// bool stage_guarded(void (*fn)(void*), void* arg, Guard* guard)
// Calls fn(arg); true if it came back. The fault handler resumes at stage_guard_failed with the
// registers of `guard`, as if this function had returned false.
FUNCTION(stage_guarded)
        mov     %rbx, 0(%rdx)
        mov     %rbp, 8(%rdx)
        mov     %r12, 16(%rdx)
        mov     %r13, 24(%rdx)
        mov     %r14, 32(%rdx)
        mov     %r15, 40(%rdx)
        mov     %rsp, 48(%rdx)
        mov     %rdi, %rax
        mov     %rsi, %rdi
        sub     $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    *%rax
        add     $8, %rsp
        .cfi_adjust_cfa_offset -8
        mov     $1, %eax
        ret
        .globl stage_guard_failed
        .hidden stage_guard_failed
stage_guard_failed:
        xor     %eax, %eax
        ret
END(stage_guarded)

        .section .note.GNU-stack, "", @progbits
