// The life of a child that shares its parent's memory.
//
// Order on the tape: the child's kThreadStart, its calls, its execve or exit, and only then the
// parent's call with the process id, because the kernel lets the parent go on no sooner. A parent
// that could not have a child has only its own record. A child that was killed before it executed
// has a kLeave.
//
// Invariant: what a process has for itself and the stage keeps in the shared memory (signal actions,
// where stdout leads) is put back before the parent goes on. The kernel's side of it was the child's
// own.
//
// Rejected: a copy of memory (fork), which costs page tables and then a fault a page, 8 ms for a
// python of 60 MB, and hides from posix_spawn that its exec failed.
#include "runtime/stage/vfork.h"

#include <linux/prctl.h>
#include <sched.h>

#include "runtime/stage/child_output.h"
#include "runtime/stage/descriptors.h"
#include "runtime/stage/events.h"
#include "runtime/stage/outputs.h"
#include "runtime/stage/process.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/signals.h"
#include "runtime/stage/start_state.h"
#include "runtime/stage/tape_map.h"
#include "runtime/stage/text.h"

extern "C" long stage_clone(long flags, void* stack, long tls, volatile uint32_t* clear_tid,
                            reprise::stage::Thread* t);

namespace reprise::stage {
namespace {

constexpr long kSignalFlags = 0xff;

// What is the process's own.
struct Own {
  Action actions[kSignals];
  Streams streams;
};

void keep(Own& own) {
  memcpy(own.actions, actions, sizeof own.actions);
  save_streams(&own.streams);
}

void put_back(const Own& own) {
  memcpy(actions, own.actions, sizeof own.actions);
  restore_streams(own.streams);
}

long start(Thread& child, long flags) {
  return stage_clone(flags | CLONE_CHILD_CLEARTID, child.start_stack + sizeof child.start_stack, 0,
                     &child.alive, &child);
}

// The records that the child could not put itself.
void put_end_of_child(Thread& child) {
  if (control->verdict != Verdict::none && control->verdict != Verdict::detached) {
    fail(control->verdict, nullptr);  // the child has said so, and could end itself only
  }
  if (child.executes) {
    put(child, child.executes, child.execute_check, 0);
  } else if (!child.over) {
    put(child, tape::kLeave, 0, 0);
  }
}

long run_child(Thread& t, const Call& call, Thread& child, long flags) {
  Own own;
  keep(own);
  control->had_children = 1;
  other_parent = true;
  const long pid = start(child, flags);
  other_parent = false;
  if (pid < 0) {
    discard_thread(child);
  } else {
    put_end_of_child(child);
    thread_ended(child);
    put_back(own);
  }
  put(t, call.nr, call.check, pid);
  return pid;
}

long replay_child(Thread& t, const Call& call, Thread& child) {
  constexpr long kAsThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  Own own;
  keep(own);
  if (start(child, kAsThread) < 0) fail(Verdict::broken, "replay cannot start a thread");
  owner_pass();
  owner_wait(t.index);
  put_back(own);
  return imposed(t, call, [] { return 0L; });
}

[[noreturn]] void end_replayed_child() {
  thread_ends();
  owner_pass();
  raw(SYS_exit, 0);
  __builtin_unreachable();
}

// What the kernel hands on through an execve is the program's, not the stage's.
void dress_for_exec(const Thread& t, KeptStreams* kept) {
  redirect_child_streams(kept);
  raw(SYS_prctl, PR_SET_TSC, PR_TSC_ENABLE);
  give_back_cores();
  hand_over_ignored();
  raw(SYS_rt_sigprocmask, SIG_SETMASK, &t.mask, nullptr, 8);
}

void undress(const Thread& t, const KeptStreams& kept) {
  set_kernel_mask(t.mask);
  catch_own_signals();
  keep_to_core_again();
  if (!t.counter_free) raw(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV);
  restore_child_streams(kept);
}

// Comes back if it failed.
long execute(Thread& t, const Call& call, long path) {
  const long* a = call.args;
  KeptStreams kept;
  t.executes = static_cast<uint16_t>(call.nr);
  t.execute_check = call.check;
  dress_for_exec(t, &kept);
  const long result = raw(call.nr, path, a[1], a[2], a[3], a[4]);
  undress(t, kept);
  t.executes = 0;
  return result;
}

}  // namespace

bool is_vfork(long flags) {
  constexpr long kBoth = CLONE_VM | CLONE_VFORK;
  return (flags & ~kSignalFlags) == kBoth;
}

long vfork_child(Thread& t, Call& call, long flags) {
  if (!live() && peek()->kind == call.nr && peek()->thread == t.index) {
    return imposed(t, call, [] { return 0L; });  // it failed
  }
  Thread* child = new_thread();
  if (!child) fail(Verdict::unmodelled, "more than 250 threads at once are not modelled");
  prepare_start(*child, t, call, 0);
  if (call.nr == SYS_vfork || !call.args[1]) child->start.uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(call.sp);
  child->alternate = t.alternate;
  child->vforked = true;
  return live() ? run_child(t, call, *child, flags) : replay_child(t, call, *child);
}

long vforked_exec(Thread& t, const Call& call) {
  if (!live()) {
    const long recorded = expect(t, call, false)->value;
    advance(call.check);
    if (recorded < 0) return recorded;
    end_replayed_child();
  }
  const bool by_path = call.nr == SYS_execve;
  const long path = by_path && names_own_executable(call.args[0]) ? as_long(program_path()) : call.args[0];
  // Whoever looks along PATH fails most of the time: no dressing for that.
  const long status = by_path ? executable_status(reinterpret_cast<const char*>(path)) : 0;
  const long result = status < 0 ? status : execute(t, call, path);
  put(t, call.nr, call.check, result);
  return result;
}

void vforked_ends(Thread& t) {
  if (!live()) end_replayed_child();
  t.over = true;
}

void vforked_may_be_killed(Thread& t) {
  const Record* next = peek();
  if (next->kind != tape::kLeave || next->thread != t.index) return;
  advance(0);
  end_replayed_child();
}

}  // namespace reprise::stage
