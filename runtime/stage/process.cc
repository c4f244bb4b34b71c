// Threads, children and the end of the program.
//
// A new thread starts in the stage, on its own block, arms itself, takes the baton and then loads
// the registers that the program's clone asked for. CLONE_PARENT_SETTID, CHILD_SETTID and
// CHILD_CLEARTID are done by the stage under the baton, since the kernel would do them beside it.
//
// A child process with memory of its own leaves the tape: it runs on without the stage, with the
// program's own signal actions. One that shares its parent's (vfork, posix_spawn) is in vfork.cc; any
// other mixture (CLONE_VM with an odd flag) gets a copy, or it would write to the program's memory
// unlogged.
#include "runtime/stage/process.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>

#include "runtime/stage/child_output.h"
#include "runtime/stage/events.h"
#include "runtime/stage/instructions.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/memory.h"
#include "runtime/stage/preempt.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/shared_files.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/start_state.h"
#include "runtime/stage/text.h"
#include "runtime/stage/vfork.h"

extern "C" {
long stage_clone(long flags, void* stack, long tls, volatile uint32_t* clear_tid, reprise::stage::Thread* t);
[[noreturn]] void stage_resume(const ucontext_t* context);
[[noreturn]] void stage_thread_main(reprise::stage::Thread* t);
extern const char __executable_start[], etext[];
}

namespace reprise::stage {
namespace {

constexpr long kIdFlags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
volatile uint8_t block_all = SYSCALL_DISPATCH_FILTER_BLOCK;
uint64_t allowed_cores[16];
long allowed_bytes = 0;

// A thread id where the program asked for it. It may have given us nonsense.
void store_tid(uint64_t at, int32_t tid) {
  if (at) guarded([&] { *reinterpret_cast<int32_t*>(at) = tid; });
}

// ---- child processes ----

// In the child: no dispatch is armed here.
void leave_tape(Thread& t, ucontext_t* context) {
  mode = Mode::off;
  raw(SYS_close, tape_fd);
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
  if (option(tape::kStrict)) set_cpuid_trap(false);
  only_thread();
  unpin();
  shut_gate(t);
  redirect_child_streams(nullptr);
  preempt_leave();
  restore_program_handlers();
  context->uc_stack = t.alternate;  // rt_sigreturn installs it
}

long clone_flags(const Call& call) {
  if (call.nr == SYS_vfork) return CLONE_VM | CLONE_VFORK | SIGCHLD;
  if (call.nr == SYS_fork) return SIGCHLD;
  return call.args[0];
}

// A child that is to execute something else (vfork, posix_spawn) leaves shared memory alone.
bool shares_memory(long flags) {
  return !(flags & CLONE_VFORK) && (has_shared_memory() || has_writable_shared_files());
}

long fork_child(Thread& t, Call& call, long flags) {
  if (shares_memory(flags)) unmodelled(t, call, "fork of a program with memory that the child would share");
  const long* a = call.args;
  if (!live()) {
    const long recorded = imposed(t, call, [] { return 0L; });
    if (recorded > 0 && call.nr == SYS_clone && flags & CLONE_PARENT_SETTID) store_tid(a[2], recorded);
    return recorded;
  }
  control->had_children = 1;
  const bool asks_ids = call.nr == SYS_clone;
  const long result = asks_ids ? raw(SYS_clone, flags & ~CLONE_VM, 0, a[2], a[3], a[4])
                               : raw(SYS_clone, flags, 0, 0, 0, 0);
  if (result == 0) {
    leave_tape(t, call.context);
    if (asks_ids && a[1]) call.context->uc_mcontext.gregs[REG_RSP] = a[1];
    return 0;
  }
  put(t, call.nr, call.check, result);
  return result;
}

// ---- threads ----

uint32_t vector_bytes(const uint8_t* image) {
  constexpr uint32_t kXsaveMagic = 0x46505853;
  uint32_t magic, size;
  __builtin_memcpy(&magic, image + 464, 4);
  __builtin_memcpy(&size, image + 468, 4);
  return magic == kXsaveMagic ? size : 512;
}

}  // namespace

void prepare_start(Thread& child, const Thread& parent, const Call& call, long flags) {
  ucontext_t* context = call.context;
  auto* vectors = reinterpret_cast<uint8_t*>(context->uc_mcontext.fpregs);
  const uint32_t size = vector_bytes(vectors);
  if (size > sizeof child.start_vectors) fail(Verdict::broken, "vector state of this CPU is too large");
  memcpy(&child.start, context, kKernelContextBytes);
  memcpy(child.start_vectors, vectors, size);
  child.start.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(child.start_vectors);
  child.start.uc_mcontext.gregs[REG_RAX] = 0;
  child.start.uc_mcontext.gregs[REG_RSP] = call.args[1];
  child.start.uc_stack = {child.stack, 0, sizeof child.stack};
  child.mask = parent.mask;
  child.clear_tid = flags & CLONE_CHILD_CLEARTID ? call.args[3] : 0;
  child.set_tid = flags & CLONE_CHILD_SETTID ? call.args[3] : 0;
}

namespace {

long start_thread(Thread& t, Call& call, long flags) {
  if (!live()) {
    const Record* record = expect(t, call, false);
    if (record->value < 0) return imposed(t, call, [] { return 0L; });
  }
  Thread* child = new_thread();
  if (!child) fail(Verdict::unmodelled, "more than 250 threads at once are not modelled");
  prepare_start(*child, t, call, flags);
  const long kernel_flags = (flags & ~kIdFlags) | CLONE_CHILD_CLEARTID;
  const long tid = stage_clone(kernel_flags, child->start_stack + sizeof child->start_stack, call.args[4],
                               &child->alive, child);
  if (tid < 0) {
    discard_thread(*child);
    if (!live()) fail(Verdict::broken, "replay cannot start a thread");
  }
  const long result = imposed(t, call, [&] { return tid; });
  if (result >= 0 && flags & CLONE_PARENT_SETTID) store_tid(call.args[2], result);
  return result;
}

}  // namespace

long do_clone(Thread& t, Call& call) {
  const long flags = clone_flags(call);
  if (is_vfork(flags)) return vfork_child(t, call, flags);
  if (!(flags & CLONE_THREAD)) return fork_child(t, call, flags);
  return start_thread(t, call, flags);
}

// The pin is ours, not the program's.
long do_sched_getaffinity(Thread& t, Call& call) {
  const bool own = call.args[0] == 0 || call.args[0] == t.tid;
  if (!live() || !own || allowed_bytes <= 0 || call.args[1] < allowed_bytes) return plain(t, call);
  const long size = allowed_bytes;
  const bool ok = guarded([&] { memcpy(reinterpret_cast<void*>(call.args[2]), allowed_cores, size); });
  const Segment mask = {static_cast<uint64_t>(call.args[2]), static_cast<uint32_t>(size)};
  put(t, call.nr, call.check, ok ? size : -EFAULT, &mask, ok);
  return ok ? size : -EFAULT;
}

long do_gettid(Thread& t, Call& call) { return settled(t, call, t.tid); }

// libc's first thread-related call: by now it has asked the CPU all that it wants to know. Programs
// that ask later (a Java machine keeps the answers) stay on their core where memory is compared.
long do_set_tid_address(Thread& t, Call& call) {
  t.clear_tid = call.args[0];
  if (!option(tape::kHashMemory)) unpin();
  return settled(t, call, t.tid);
}

long do_arch_prctl(Thread& t, Call& call) {
  switch (call.args[0]) {
    case ARCH_SET_FS: return settled(t, call, raw(SYS_arch_prctl, call.args[0], call.args[1]));
    case ARCH_GET_FS: {
      uint64_t base = 0;
      raw(SYS_arch_prctl, ARCH_GET_FS, &base);
      const bool ok = guarded([&] { *reinterpret_cast<uint64_t*>(call.args[1]) = base; });
      return settled(t, call, ok ? 0 : -EFAULT);
    }
    case ARCH_SET_GS:
    case ARCH_GET_GS: unmodelled(t, call, "the gs base");
    default: return settled(t, call, -EINVAL);  // shadow stacks, cpuid faulting, AMX: not there
  }
}

// The last thread's exit is the process's.
long do_exit(Thread& t, Call& call) {
  if (threads_alive() == 1 || t.vforked) return do_exit_group(t, call);
  settled(t, call, 0);
  if (t.clear_tid) {
    store_tid(t.clear_tid, 0);
    constexpr long kFutexWake = 1;
    if (live()) raw(SYS_futex, t.clear_tid, kFutexWake, 1);
  }
  thread_ends();
  if (live()) {
    baton_release();
  } else {
    owner_pass();
  }
  raw(SYS_exit, call.args[0]);
  __builtin_unreachable();
}

long do_exit_group(Thread& t, Call& call) {
  await_child_output_at_end();
  settled(t, call, 0);
  finish(t, (call.args[0] & 0xff) << 8);
  raw(SYS_exit_group, call.args[0]);
  __builtin_unreachable();
}

void arm(Thread& t) {
  const stack_t own = {t.stack, 0, sizeof t.stack};
  raw(SYS_sigaltstack, &own, nullptr);
  raw(SYS_arch_prctl, ARCH_SET_GS, &t.gate);
  const long result = raw(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, __executable_start,
                          etext - __executable_start, &block_all);
  if (result) fail(Verdict::bad_start, "this kernel has no Syscall User Dispatch (Linux 5.11, x86-64)");
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV);
  if (option(tape::kStrict)) set_cpuid_trap(true);
}

const char* program_path() { return start_state().executable; }
long program_pid() { return start_state().pid; }

void pin_to_one_core() {
  allowed_bytes = raw(SYS_sched_getaffinity, 0, sizeof allowed_cores, allowed_cores);
  for (int word = 0; word < 16; ++word) {
    if (!allowed_cores[word]) continue;
    uint64_t one[16] = {};
    one[word] = allowed_cores[word] & -allowed_cores[word];
    raw(SYS_sched_setaffinity, 0, sizeof one, one);
    return;
  }
}

void give_back_cores() {
  if (allowed_bytes > 0) raw(SYS_sched_setaffinity, 0, allowed_bytes, allowed_cores);
}

void keep_to_core_again() {
  if (allowed_bytes > 0) pin_to_one_core();
}

void unpin() {
  give_back_cores();
  allowed_bytes = 0;
}

}  // namespace reprise::stage

// A new thread's first and last C++ function before the program.
void stage_thread_main(reprise::stage::Thread* t) {
  using namespace reprise::stage;
  arm(*t);
  if (live()) {
    if (!t->vforked) baton_take();
    t->tid = raw(SYS_gettid);
  } else {
    owner_wait(t->index);
  }
  t->tid = note(*t, reprise::tape::kThreadStart, 0, t->tid);
  store_tid(t->set_tid, t->tid);
  preempt_before_program(*t);
  stage_resume(&t->start);
}
