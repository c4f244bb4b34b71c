// Signals of the program.
//
// Live, a caught signal enters on_signal(), which queues it and lets the thread go on; it is
// delivered at the thread's next trap, before the call or after it, and that place is what the tape
// records. A thread inside a call that may block is made to leave it (entry_amd64.S). In replay no
// handler of the program is known to the kernel; frames are built where the tape has the signal.
//
// The frame has the kernel's layout. Vector state stays in the stage's block of the thread: XSAVE
// images hold what the program never wrote. siglongjmp out of a handler leaves entries behind: they go
// when the next frame is made there on the same stack (the alternate one or the other, which may lie
// either way round), or when a handler below them returns.
//
// The mask: `Thread::mask` is the program's view. Live, the kernel's mask is the same without the
// synchronous signals, which the stage must see; it changes through the context of the trap, since
// rt_sigreturn would undo a change made directly. In replay the kernel's mask does not matter.
#include "runtime/stage/signals.h"

#include <errno.h>
#include <sys/mman.h>

#include <initializer_list>

#include "runtime/stage/child_output.h"
#include "runtime/stage/events.h"
#include "runtime/stage/fork_server.h"
#include "runtime/stage/layout.h"
#include "runtime/stage/model.h"
#include "runtime/stage/raw.h"
#include "runtime/stage/report.h"
#include "runtime/stage/tape_reader.h"
#include "runtime/stage/tape_writer.h"
#include "runtime/stage/text.h"
#include "runtime/stage/watchdog.h"

extern "C" {
void stage_restorer();
extern const char stage_interruptible_begin[], stage_interruptible_end[], stage_interruptible_out[];
}

namespace reprise::stage {

Action actions[kSignals];

namespace {

constexpr uint64_t kRestorerFlag = 0x04000000;
constexpr uint64_t kCatchable = ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
constexpr uint64_t kOurs = signal_bit(SIGSYS) | signal_bit(SIGSEGV) | signal_bit(SIGILL) |
                           signal_bit(SIGBUS) | signal_bit(SIGFPE) | signal_bit(SIGTRAP) |
                           signal_bit(tape::kWatchdogSignal);
constexpr uint64_t kRedZone = 128;
constexpr uint32_t kXsaveMagic = 0x46505853;

struct Frame {
  uint64_t return_address;
  uint8_t context[kKernelContextBytes];
  siginfo_t info;
};

void kernel_action(int signal, const Action& action) {
  raw(SYS_rt_sigaction, signal, &action, nullptr, 8);
}

Action catching(void (*handler)(int, siginfo_t*, void*), uint64_t mask) {
  return {reinterpret_cast<uint64_t>(handler), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | kRestorerFlag,
          reinterpret_cast<uint64_t>(&stage_restorer), mask};
}

// What the kernel is told for the program's action. Faults always come to the stage first.
void tell_kernel(int signal, const Action& action) {
  if (ours(signal) || !live()) return;
  if (action.handler <= 1) {
    kernel_action(signal, action);
  } else {
    Action caught = catching(on_signal, ~signal_bit(SIGSYS));
    caught.flags |= action.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);  // what becomes of children is the kernel's doing
    kernel_action(signal, caught);
  }
}

// Runs fn() with no handler of the program able to touch the queue.
template <typename F>
void with_signals_blocked(F&& fn) {
  const uint64_t all = ~kOurs;
  uint64_t old;
  raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
  fn();
  raw(SYS_rt_sigprocmask, SIG_SETMASK, &old, nullptr, 8);
}

int first_deliverable(const Thread& t) {
  for (int i = 0; i < t.queued; ++i) {
    if (t.queue[i].forced || !(t.mask & signal_bit(t.queue[i].signal))) return i;
  }
  return -1;
}

void set_mask(Thread& t, ucontext_t* context, uint64_t mask) {
  t.mask = mask & kCatchable;
  if (!live()) return;
  if (context) {
    const uint64_t kernel = t.mask & ~kOurs;
    __builtin_memcpy(&context->uc_sigmask, &kernel, 8);
  } else {
    set_kernel_mask(t.mask);
  }
  if (t.queued) with_signals_blocked([&] { t.pending = first_deliverable(t) >= 0; });
}

// ---- vector state ----

uint32_t vector_bytes(const uint8_t* image) {
  uint32_t magic, extended_size;
  __builtin_memcpy(&magic, image + 464, 4);
  __builtin_memcpy(&extended_size, image + 468, 4);
  return magic == kXsaveMagic ? extended_size : 512;
}

uint8_t* vectors_of(ucontext_t* context) {
  return reinterpret_cast<uint8_t*>(context->uc_mcontext.fpregs);
}

// Up to the last component that is not in its initial state, which the header names.
uint32_t vector_bytes_in_use(const uint8_t* image) {
  constexpr uint64_t kLegacy = 3, kAvx = 7;
  const uint32_t all = vector_bytes(image);
  uint64_t components;
  __builtin_memcpy(&components, image + 512, 8);
  if (all > 576 && components <= kLegacy) return 576;
  return all > 832 && components <= kAvx ? 832 : all;
}

// The entry that ends at `end`, behind its image; null at the bottom.
SavedVector* saved_at(Thread& t, uint32_t end) {
  return end ? reinterpret_cast<SavedVector*>(t.vectors + end) - 1 : nullptr;
}

uint32_t begin_of(const SavedVector* saved, uint32_t end) {
  return end - static_cast<uint32_t>(sizeof *saved + saved->bytes);
}

void remove_vectors(Thread& t, uint32_t begin, uint32_t end) {
  __builtin_memmove(t.vectors + begin, t.vectors + end, t.vectors_used - end);
  t.vectors_used -= end - begin;
}

// Those of handlers that were jumped out of: the new frame lies where theirs did, or below it.
void remove_dead(Thread& t, uint64_t frame, bool alternate) {
  for (uint32_t end = t.vectors_used; end;) {
    const SavedVector* saved = saved_at(t, end);
    const uint32_t begin = begin_of(saved, end);
    if (saved->alternate == alternate && saved->frame <= frame) remove_vectors(t, begin, end);
    end = begin;
  }
}

uint8_t* map_vectors(const Thread& t) {
  const uint64_t at = kVectorBase + t.index * kVectorStackBytes;
  // Fixed: a thread of this index that is gone may have left its own there.
  const long got = raw(SYS_mmap, at, kVectorStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (got != static_cast<long>(at)) fail(Verdict::broken, "no memory for the vector state of interrupted code");
  return reinterpret_cast<uint8_t*>(at);
}

void save_vectors(Thread& t, ucontext_t* context, uint64_t frame, bool alternate) {
  if (!t.vectors) t.vectors = map_vectors(t);
  remove_dead(t, frame, alternate);
  const uint32_t size = (vector_bytes_in_use(vectors_of(context)) + 7) & ~7u;
  if (size > kVectorBytes) fail(Verdict::broken, "vector state of this CPU is too large");
  if (t.vectors_used + size + sizeof(SavedVector) > kVectorStackBytes) {
    fail(Verdict::broken, "signal handlers nested too deep");
  }
  memcpy(t.vectors + t.vectors_used, vectors_of(context), size);
  t.vectors_used += size + sizeof(SavedVector);
  *saved_at(t, t.vectors_used) = {frame, size, alternate};
}

void load_vectors(Thread& t, ucontext_t* context, uint64_t frame) {
  for (uint32_t end = t.vectors_used; end;) {
    const SavedVector* saved = saved_at(t, end);
    const uint32_t begin = begin_of(saved, end);
    if (saved->frame == frame) {
      memcpy(vectors_of(context), t.vectors + begin, saved->bytes);
      t.vectors_used = begin;  // what is above was jumped out of
      return;
    }
    end = begin;
  }
  fail(Verdict::broken, "rt_sigreturn without a frame of the stage");
}

// ---- frames ----

bool on_alternate(const stack_t& s, uint64_t sp) {
  const uint64_t base = reinterpret_cast<uint64_t>(s.ss_sp);
  return sp >= base && sp < base + s.ss_size;
}

bool leaves_alternate(const stack_t& s, uint64_t sp, uint64_t frame) {
  const bool usable = s.ss_size && !(s.ss_flags & SS_DISABLE);
  return usable && on_alternate(s, sp) && !on_alternate(s, frame);
}

uint64_t frame_address(const Thread& t, const Action& action, uint64_t sp) {
  sp -= kRedZone;
  const stack_t& s = t.alternate;
  const bool usable = s.ss_size && !(s.ss_flags & SS_DISABLE);
  if (action.flags & SA_ONSTACK && usable && !on_alternate(s, sp)) {
    sp = reinterpret_cast<uint64_t>(s.ss_sp) + s.ss_size;
  }
  return ((sp - sizeof(Frame)) & ~15ull) - 8;
}

void fill_frame(Frame* frame, const Thread& t, const ucontext_t* context, const Action& action,
                const siginfo_t& info) {
  ucontext_t saved;
  memset(&saved, 0, sizeof saved);
  for (int i = 0; i < NGREG; ++i) saved.uc_mcontext.gregs[i] = context->uc_mcontext.gregs[i];
  saved.uc_mcontext.gregs[REG_OLDMASK] = t.mask;  // the kernel's own mask is not the program's
  saved.uc_stack = t.alternate;
  __builtin_memcpy(&saved.uc_sigmask, &t.mask, 8);
  frame->return_address = action.restorer;
  memcpy(frame->context, &saved, sizeof frame->context);
  frame->info = info;
}

siginfo_t taken_info(Thread& t, When when, int* signal) {
  siginfo_t info;
  if (live()) {
    with_signals_blocked([&] {
      const int i = first_deliverable(t);
      *signal = t.queue[i].signal;
      info = t.queue[i].info;
      --t.queued;
      for (int k = i; k < t.queued; ++k) t.queue[k] = t.queue[k + 1];
      t.pending = first_deliverable(t) >= 0;
    });
    const Segment bytes = {reinterpret_cast<uint64_t>(&info), sizeof info};
    put(t, when == When::before ? tape::kSignalBefore : tape::kSignalAfter, 0, *signal, &bytes, 1);
  } else {
    const Record* record = peek();
    *signal = static_cast<int>(record->value);
    const Segment place = {reinterpret_cast<uint64_t>(&info), sizeof info};
    if (*signal < 1 || *signal >= kSignals || record->segments != 1 || !take_segments(&place, 1, 0)) {
      fail(Verdict::broken, "a signal record of the tape is malformed");
    }
  }
  return info;
}

// A full queue leaves further signals in the kernel's, until take_signal() has made room.
void hold_back(ucontext_t* context) {
  const uint64_t all = ~kOurs;
  __builtin_memcpy(&context->uc_sigmask, &all, 8);
}

}  // namespace

void install_handlers() {
  if (live()) {
    for (int s = 1; s < kSignals; ++s) raw(SYS_rt_sigaction, s, nullptr, &actions[s], 8);
  }
  raw(SYS_rt_sigprocmask, SIG_UNBLOCK, &kOurs, nullptr, 8);
  catch_own_signals();
  // Replay writes the program's output: a reader that went away must not end it differently.
  if (!live()) kernel_action(SIGPIPE, {1, 0, 0, 0});
}

void catch_own_signals() {
  for (const int s : {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGTRAP}) kernel_action(s, catching(on_fault, 0));
  kernel_action(SIGSYS, catching(on_trap, 0));
  Action watchdog = catching(on_watchdog, 0);
  watchdog.flags |= SA_RESTART;  // it may land in a call that the thread has just come to
  kernel_action(tape::kWatchdogSignal, watchdog);
}

void hand_over_ignored() {
  for (int s = 1; s < kSignals; ++s) {
    if (ours(s) && actions[s].handler == 1) kernel_action(s, actions[s]);
  }
}

void restore_program_handlers() {
  for (int s = 1; s < kSignals; ++s) {
    if (s == SIGKILL || s == SIGSTOP) continue;
    if (actions[s].handler > 1 || ours(s)) kernel_action(s, actions[s]);
  }
}

void reset_caught_actions() {
  for (int s = 1; s < kSignals; ++s) {
    if (s == SIGKILL || s == SIGSTOP) continue;
    if (actions[s].handler > 1 || ours(s)) {
      actions[s] = {actions[s].handler == 1, 0, 0, 0};
      kernel_action(s, actions[s]);
    }
  }
}

void set_kernel_mask(uint64_t mask) {
  mask &= ~kOurs;
  raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8);
}

bool signal_due_before(Thread& t) {
  if (live()) return t.pending;
  const Record* next = peek();
  return next->kind == tape::kSignalBefore && next->thread == t.index;
}

bool signal_due_after(Thread& t) {
  if (live()) return t.pending;
  const Record* next = peek();
  return next->kind == tape::kSignalAfter && next->thread == t.index;
}

bool first_signal_restarts(Thread& t) {
  const int i = first_deliverable(t);
  return i >= 0 && actions[t.queue[i].signal].flags & SA_RESTART;
}

void take_signal(Thread& t, ucontext_t* context, When when, long nr) {
  greg_t* regs = context->uc_mcontext.gregs;
  int signal = 0;
  const siginfo_t info = taken_info(t, when, &signal);
  set_mask(t, context, t.mask);  // a full queue had blocked everything
  if (when == When::before) {
    constexpr int kSyscallInstruction = 2;
    regs[REG_RIP] -= kSyscallInstruction;
    regs[REG_RAX] = nr;
  }
  // Left over in the kernel from some earlier fault, of the stage perhaps.
  regs[REG_ERR] = regs[REG_TRAPNO] = regs[REG_CR2] = 0;
  const uint64_t handler = actions[signal].handler;
  if (handler > 1) return deliver(t, context, signal, info);
  // The stage catches faults for itself: one that was sent to a program without a handler ends it.
  if (handler == 0 && ends_process(signal)) {
    finish(t, signal);
    die_by_signal(signal);
  }
}

void deliver(Thread& t, ucontext_t* context, int signal, const siginfo_t& info) {
  const Action action = actions[signal];
  greg_t* regs = context->uc_mcontext.gregs;
  const uint64_t at = frame_address(t, action, regs[REG_RSP]);
  auto* frame = reinterpret_cast<Frame*>(at);
  // As the kernel has it: what lies below the alternate stack is not the handlers'.
  if (leaves_alternate(t.alternate, regs[REG_RSP], at)) die_by_signal(SIGSEGV);
  if (!guarded([&] { fill_frame(frame, t, context, action, info); })) die_by_signal(SIGSEGV);
  save_vectors(t, context, at, on_alternate(t.alternate, at));
  regs[REG_RAX] = 0;
  regs[REG_RIP] = action.handler;
  regs[REG_RSP] = at;
  regs[REG_RDI] = signal;
  regs[REG_RSI] = reinterpret_cast<greg_t>(&frame->info);
  regs[REG_RDX] = reinterpret_cast<greg_t>(frame->context);
  constexpr greg_t kDirectionAndTrap = 0x500;  // cleared at a handler's entry, as the kernel does
  regs[REG_EFL] &= ~kDirectionAndTrap;
  const uint64_t own = action.flags & SA_NODEFER ? 0 : signal_bit(signal);
  set_mask(t, context, t.mask | action.mask | own);
  if (action.flags & SA_RESETHAND) {
    actions[signal].handler = 0;
    tell_kernel(signal, actions[signal]);
  }
}

void on_signal(int signal, siginfo_t* info, void* context) {
  Thread& t = self();
  auto* interrupted = static_cast<ucontext_t*>(context);
  if (t.queued < kSignalQueue) {
    QueuedSignal& q = t.queue[t.queued++];
    q.signal = signal;
    q.forced = t.own_mask;
    q.info = *info;
    if (first_deliverable(t) >= 0) t.pending = 1;
  } else {
    raw(SYS_rt_tgsigqueueinfo, raw(SYS_getpid), raw(SYS_gettid), signal, info);
  }
  if (t.queued == kSignalQueue) hold_back(interrupted);
  greg_t& ip = interrupted->uc_mcontext.gregs[REG_RIP];
  const auto at = reinterpret_cast<const char*>(ip);
  if (at >= stage_interruptible_begin && at < stage_interruptible_end) {
    ip = reinterpret_cast<greg_t>(stage_interruptible_out);
  }
}

bool ends_process(int signal) {
  switch (signal) {
    case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH:
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU: return false;
    default: return true;
  }
}

void die_by_signal(int signal) {
  kernel_action(signal, {0, 0, 0, 0});
  const uint64_t none = 0;
  raw(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, 8);
  raw(SYS_tgkill, raw(SYS_getpid), raw(SYS_gettid), signal);
  raw(SYS_exit_group, 128 + signal);  // not reached unless the kernel protects us (pid 1)
  __builtin_unreachable();
}

// ---- calls ----

long do_rt_sigaction(Thread& t, Call& call) {
  const long signal = call.args[0];
  const bool protected_signal = signal == SIGKILL || signal == SIGSTOP;
  if (signal < 1 || signal >= kSignals || (call.args[1] && protected_signal)) {
    return settled(t, call, -EINVAL);
  }
  const Action old = actions[signal];
  Action next = old;
  const bool ok = guarded([&] {
    if (call.args[1]) next = *reinterpret_cast<const Action*>(call.args[1]);
    if (call.args[2]) *reinterpret_cast<Action*>(call.args[2]) = old;
  });
  if (!ok) return settled(t, call, -EFAULT);
  if (call.args[1]) {
    actions[signal] = next;
    actions[signal].mask &= kCatchable;
    tell_kernel(signal, actions[signal]);
  }
  return settled(t, call, 0);
}

long do_rt_sigprocmask(Thread& t, Call& call) {
  const uint64_t old = t.mask;
  uint64_t set = 0;
  const bool ok = guarded([&] {
    if (call.args[1]) set = *reinterpret_cast<const uint64_t*>(call.args[1]);
    if (call.args[2]) *reinterpret_cast<uint64_t*>(call.args[2]) = old;
  });
  if (!ok) return settled(t, call, -EFAULT);
  if (call.args[1]) {
    switch (call.args[0]) {
      case SIG_BLOCK: set_mask(t, call.context, old | set); break;
      case SIG_UNBLOCK: set_mask(t, call.context, old & ~set); break;
      case SIG_SETMASK: set_mask(t, call.context, set); break;
      default: return settled(t, call, -EINVAL);
    }
  }
  return settled(t, call, 0);
}

long do_sigaltstack(Thread& t, Call& call) {
  const stack_t old = t.alternate;
  stack_t next = old;
  const bool ok = guarded([&] {
    if (call.args[0]) next = *reinterpret_cast<const stack_t*>(call.args[0]);
    if (call.args[1]) {
      auto* out = reinterpret_cast<stack_t*>(call.args[1]);
      *out = old;
      if (!(old.ss_flags & SS_DISABLE) && on_alternate(old, call.sp)) out->ss_flags |= SS_ONSTACK;
    }
  });
  if (!ok) return settled(t, call, -EFAULT);
  if (call.args[0]) {
    if (!(old.ss_flags & SS_DISABLE) && on_alternate(old, call.sp)) return settled(t, call, -EPERM);
    if (!(next.ss_flags & SS_DISABLE) && next.ss_size < 2048) return settled(t, call, -ENOMEM);
    t.alternate = next;
  }
  return settled(t, call, 0);
}

// Not a record of the tape: it follows from the frame.
long do_rt_sigreturn(Thread& t, Call& call) {
  greg_t* regs = call.context->uc_mcontext.gregs;
  ucontext_t saved;
  if (!guarded([&] { memcpy(&saved, reinterpret_cast<const void*>(call.sp), kKernelContextBytes); })) {
    die_by_signal(SIGSEGV);
  }
  load_vectors(t, call.context, call.sp - 8);
  const greg_t segments = regs[REG_CSGSFS];
  for (int i = 0; i < REG_ERR; ++i) regs[i] = saved.uc_mcontext.gregs[i];
  regs[REG_CSGSFS] = segments;
  uint64_t mask;
  __builtin_memcpy(&mask, &saved.uc_sigmask, 8);
  set_mask(t, call.context, mask);
  return regs[REG_RAX];
}

namespace {

// kill, tkill or tgkill to this very process, of a signal whose default action ends it.
bool fatal_to_self(const Thread& t, const Call& call, int signal) {
  const bool to_thread = call.nr != SYS_kill;
  const long target = call.args[call.nr == SYS_tgkill ? 1 : 0];
  if (target != (to_thread ? t.tid : raw(SYS_getpid))) return false;
  if (actions[signal].handler != 0 || !ends_process(signal)) return false;
  return signal == SIGKILL || !(t.mask & signal_bit(signal));
}

}  // namespace

// The kernel would not come back from such a call, so its record is put before.
long do_kill(Thread& t, Call& call) {
  const long signal = call.args[call.nr == SYS_tgkill ? 2 : 1];
  if (signal < 1 || signal >= kSignals) return plain(t, call);
  const bool fatal = live() ? fatal_to_self(t, call, signal) : next_value(t, call) == kFatalToSelf;
  if (!fatal) {
    const int thread = call.nr == SYS_tgkill;
    if (call.nr != SYS_kill) call.args[thread] = own_thread_id(t, call.args[thread]);
    return plain(t, call);
  }
  await_child_output_at_end();
  settled(t, call, kFatalToSelf);
  finish(t, signal);
  die_by_signal(signal);
}

}  // namespace reprise::stage
