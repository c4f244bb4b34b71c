// The preemption signal: sent by whoever wants a P (preempt.cc), served by the thread that runs it.
//
// The handler looks whether its P has a request open and whether the goroutine is at a safe point, and if so
// makes it go on in asyncPreempt (asm/preempt.h). If not, nothing happens: the request stays, a
// scheduling point serves it, or the next signal does.
//
// A safe point, natively, is an instruction of user text (user_text.h) on the goroutine's own stack with
// room for the saved state, while
//   - it is `running`, has a P, and no_preempt is 0,
//   - its M holds no lock of the runtime's and is not in malloc (which libc's text says),
//   - it is in no handler of the program's: those have signals blocked that the thread has not, and may
//     have interrupted anything; one with an empty mask on the goroutine's stack is not seen,
//   - this handler runs on a stack apart, for the state is saved where the goroutine's stack ends,
//   - no AMX tiles are in use.
// Exceptions in flight do no harm: their globals are swapped, and the unwinder's text is foreign. Neither
// do function-local statics: who waits for one parks.
//
// SIGURG, because debuggers pass it on, libc does not use it, it is ignored by default, and who uses it
// for urgent data must be ready for it to come for nothing. The program's own handler is kept
// (urgent_action) and called, with its mask taken as full, for every SIGURG as in the reference: one of the
// program's that is sent to a thread where ours is pending coalesces with it, and is to be seen all the same.
// signal::notify() is such a handler.
//
// SA_RESTART: a read that a signal interrupts goes on. What the kernel never restarts (epoll_wait,
// nanosleep, poll) ends with EINTR, if a goroutine makes such a call by itself and keeps its P in it.
//
// Off under sanitizers: they would be interrupted in their own runtime, which clang links into the
// executable, and do not know of such switches. Interposition is compiled out there too.
#include "runtime/signal/sigpreempt.h"

#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <cstring>

#include "asm/preempt.h"
#include "runtime/boot/boot.h"
#include "runtime/sched/m.h"
#include "runtime/sched/native.h"
#include "runtime/signal/user_text.h"
#include "runtime/sys/syscall.h"

namespace reprise::rt {

namespace {

#ifdef REPRISE_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr uint32_t kFxsaveMagic = 0x46505853;  // FP_XSTATE_MAGIC1: an XSAVE header follows
constexpr size_t kFxsaveMagicAt = 464, kXsaveHeaderAt = 512;

bool on = false;  // written at boot
uint64_t normal_mask = 0;
constinit std::atomic<uint64_t> sent{0}, preempted{0};

// The program's action. The handler reads one word of it; the rest is for who asks for it.
struct Urgent {
  std::atomic<uintptr_t> handler{reinterpret_cast<uintptr_t>(SIG_DFL)};
  std::atomic<bool> once{false};  // SA_RESETHAND
  std::atomic<bool> busy{false};  // guards `action`; for a few instructions
  struct sigaction action {};
};
Urgent urgent;

bool tiles_in_use(const ucontext_t& context) {
  const auto* state = reinterpret_cast<const unsigned char*>(context.uc_mcontext.fpregs);
  uint32_t magic = 0;
  uint64_t components = 0;
  if (state == nullptr) return false;
  std::memcpy(&magic, state + kFxsaveMagicAt, sizeof magic);
  if (magic != kFxsaveMagic) return false;
  std::memcpy(&components, state + kXsaveHeaderAt, sizeof components);
  return (components & asm_::kXsaveTiles) != 0;
}

bool in_a_handler(const ucontext_t& context) {
  uint64_t blocked;
  std::memcpy(&blocked, &context.uc_sigmask, sizeof blocked);
  return (blocked & ~normal_mask) != 0;
}

bool on_stack_of(const G* gp, uint64_t address) {
  return address >= gp->ctx.stack_lo && address < gp->ctx.stack_hi;
}

// The reference's wantAsyncPreempt.
bool want_async_preempt(const G* gp, const M* mp) {
  const P* pp = mp->p;
  if (pp == nullptr || gp != mp->ctx.curg || !pp->preempt.load(std::memory_order_relaxed)) return false;
  if (seam_active || sched.dying.load(std::memory_order_relaxed)) return false;
  return may_hold_m(gp);
}

// The reference's isAsyncSafePoint.
bool is_async_safe_point(const G* gp, const M* mp, const ucontext_t& context, asm_::StoppedAt at) {
  if (!in_user_text(at.pc)) return false;
  if (gp->no_preempt != 0 || mp->locks != 0 || mp->mallocing != 0) return false;
  if (gp->status.load(std::memory_order_relaxed) != GStatus::running) return false;
  if (!on_stack_of(gp, at.sp) || !on_stack_of(gp, at.sp - asm_::async_preempt_stack_bytes())) return false;
  if (on_stack_of(gp, reinterpret_cast<uint64_t>(__builtin_frame_address(0)))) return false;
  return !in_a_handler(context) && !tiles_in_use(context);
}

void do_sig_preempt(const G* gp, const M* mp, ucontext_t& context) {
  auto& registers = context.uc_mcontext.gregs;
  const asm_::StoppedAt at{static_cast<uint64_t>(registers[REG_RIP]), static_cast<uint64_t>(registers[REG_RSP])};
  if (!want_async_preempt(gp, mp) || !is_async_safe_point(gp, mp, context, at)) return;
  const asm_::StoppedAt next = asm_::async_preempt_call(at);
  registers[REG_RIP] = static_cast<greg_t>(next.pc);
  registers[REG_RSP] = static_cast<greg_t>(next.sp);
  preempted.fetch_add(1, std::memory_order_relaxed);
}

// Called with three arguments whatever its kind: one that takes fewer does not see them.
void forward(int signal, siginfo_t* info, void* context) {
  uintptr_t handler = urgent.handler.load(std::memory_order_acquire);
  if (handler == reinterpret_cast<uintptr_t>(SIG_DFL) || handler == reinterpret_cast<uintptr_t>(SIG_IGN)) return;
  if (urgent.once.load(std::memory_order_relaxed) &&
      !urgent.handler.compare_exchange_strong(handler, reinterpret_cast<uintptr_t>(SIG_DFL))) {
    return;
  }
  reinterpret_cast<void (*)(int, siginfo_t*, void*)>(handler)(signal, info, context);
}

void on_urgent(int signal, siginfo_t* info, void* raw) {
  const int saved_errno = errno;
  const G* gp = getg();
  if (gp != nullptr) {
    M* const mp = gp->ctx.m;
    // Taken back first: who asks from now on sends again.
    if (mp != nullptr && mp->signal_pending.exchange(0, std::memory_order_acquire) != 0) {
      do_sig_preempt(gp, mp, *static_cast<ucontext_t*>(raw));
    }
  }
  forward(signal, info, raw);
  errno = saved_errno;
}

void remember(const struct sigaction& action) {
  urgent.action = action;
  urgent.once.store((action.sa_flags & static_cast<int>(SA_RESETHAND)) != 0, std::memory_order_relaxed);
  urgent.handler.store(reinterpret_cast<uintptr_t>(action.sa_handler), std::memory_order_release);
}

}  // namespace

void sigpreempt_init() {
  if (kSanitized || debug_vars().asyncpreemptoff || sigismember(&initial_sigmask(), SIGURG) == 1 || !user_text_init()) return;
  std::memcpy(&normal_mask, &initial_sigmask(), sizeof normal_mask);
  struct sigaction action {}, before{};
  action.sa_sigaction = on_urgent;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&action.sa_mask);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&action.sa_mask, fault);
  if (sigaction(SIGURG, &action, &before) != 0) return;
  remember(before);  // a static constructor's
  on = true;
}

bool async_preempt_on() { return on; }

void signal_preempt(M* mp) {
  if (!on || mp->signal_pending.exchange(1, std::memory_order_acq_rel) != 0) return;
  siginfo_t info{};
  info.si_signo = SIGURG;
  info.si_code = SI_QUEUE;
  info.si_pid = static_cast<pid_t>(sys::call(SYS_getpid));
  // A thread that has ended meanwhile is no error: its M has gone with it, or begins anew.
  sys::call(SYS_rt_tgsigqueueinfo, info.si_pid, static_cast<pid_t>(mp->tid), SIGURG, &info);
  sent.fetch_add(1, std::memory_order_relaxed);
}

int urgent_action(const struct sigaction* action, struct sigaction* before) {
  while (urgent.busy.exchange(true, std::memory_order_acquire)) sys::call(SYS_sched_yield);
  struct sigaction old = urgent.action;
  old.sa_handler = reinterpret_cast<sighandler_t>(urgent.handler.load(std::memory_order_relaxed));
  if (action != nullptr) remember(*action);
  urgent.busy.store(false, std::memory_order_release);
  if (before != nullptr) *before = old;
  return 0;
}

PreemptCounts preempt_counts() {
  return {sent.load(std::memory_order_relaxed), preempted.load(std::memory_order_relaxed)};
}

}  // namespace reprise::rt
