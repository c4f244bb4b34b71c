// The scheduler: park, ready, yield, and the loop on g0 that picks who goes next.
//
// What is here is the same in all modes; who goes next, and where, is native.h's or controlled.cc's
// matter. Invariants:
//  - Only an M that holds a P executes a goroutine; another thread's goready() goes through the
//    global queue.
//  - A goroutine is `running` on exactly one M, or in exactly one place that makes it `runnable`
//    later, or in one run queue or the ready set.
//  - A goroutine is put on a queue only after its M has left its stack: gopark's commit runs on g0.
//  - schedule() returns whom to go on with, up to mcall or mstart, which switch. Whoever comes back to g0 comes by mcall, at the
//    top of g0's stack, so that nothing accumulates there.
//  - A goroutine leaves its M only in park_m, gosched_m and goexit0, where its errno and exception
//    globals are taken out of the thread; execute() puts them back, perhaps into another thread.
#include "runtime/sched/proc.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "asm/asm.h"
#include "runtime/gc/gc.h"
#include "runtime/mem/stack.h"
#include "runtime/panic/fatal.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/gstatus.h"
#include "runtime/sched/here.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/native.h"
#include "runtime/sched/next.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/seam.h"
#include "runtime/sched/thread_block.h"

namespace reprise::rt {

namespace {

[[gnu::noinline, gnu::cold]] void look_at_canary(G* gp) {
  if (!stack_canary_intact(gp->ctx.stack_lo)) stack_overflow(gp);
}

inline void check_canary(G* gp) {
  if (gp->ctx.stack_guard == gp->ctx.stack_lo) [[unlikely]] look_at_canary(gp);
}

// Leaves gp's stack. From here on it waits.
[[gnu::always_inline]] inline void stop_running(G* gp) {
  check_canary(gp);
  dropg(gp);
  if (seam_active) [[unlikely]] seam_note_block(gp);
  change_status<GStatus::running, GStatus::waiting>(gp);
}

G* park_m(G* gp) {
  M* mp = m_of_runtime();
  auto* const unlockf = std::exchange(mp->wait_unlock_f, nullptr);
  void* const lock = std::exchange(mp->wait_lock, nullptr);
  stop_running(gp);
  // From the unlock on somebody may make gp runnable; it may not be touched any more.
  if (unlockf != nullptr && !unlockf(gp, lock)) {
    change_status<GStatus::waiting, GStatus::runnable>(gp);
    fiber_readied(gp);  // unlockf has read what lies on gp's stack
    return execute(gp);
  }
  return schedule_here();
}

G* park_unlock_m(G* gp) {
  Lock* const lock = static_cast<Lock*>(std::exchange(m_of_runtime()->wait_lock, nullptr));
  stop_running(gp);
  lock->unlock();  // as in park_m
  return schedule_here();
}

G* gosched_m(G* gp) {
  check_canary(gp);
  dropg(gp);
  change_status<GStatus::running, GStatus::runnable>(gp);
  ready_put_last(gp);
  return schedule_here();
}

// Preempted at an instruction, under a policy.
G* gosched_preempted_m(G* gp) {
  check_canary(gp);
  dropg(gp);
  keep_thread_block(gp);
  change_status<GStatus::running, GStatus::runnable>(gp);
  ready_put_last(gp);
  return schedule_here();
}

G* yield_to_m(G* gp) {
  M* mp = m_of_runtime();
  G* const next = static_cast<G*>(std::exchange(mp->wait_lock, nullptr));
  check_canary(gp);
  dropg(gp);
  change_status<GStatus::running, GStatus::runnable>(gp);
  ready_put_last(gp);
  if (mp->locked_g == nullptr) return execute(next);
  runqput(sched, mp->p, next, true);
  return schedule_here();
}

// Limits that need not be exact: relaxed.
std::atomic<int32_t> held{0};     // Ms with M::held
std::atomic<int32_t> staying{0};  // goroutines with G::stays_on_m

// Between any two instructions a goroutine may keep addresses of this thread's variables, be inside a
// sequence on one of them, or hold a lock that the kernel knows by the thread. So the thread stays its
// own, as that of a goroutine that is locked to one; the rest follows from what is true of those.
void hold_m(M* mp, G* gp) {
  if (gp->locked_m != nullptr) return;  // by its own wish
  gp->locked_m = mp;
  mp->locked_g = gp;
  mp->held = true;
  held.fetch_add(1, std::memory_order_relaxed);
}

[[noreturn, gnu::noinline, gnu::cold]] void not_on_goroutine(const char* api) {
  require_booted(api);
  char text[160];
  std::snprintf(text, sizeof text, "%s %s", api,
                getg() != nullptr ? "on the scheduler's stack" : "on a thread that runs no goroutine");
  throw_(text);
}

// Who holds a thread finds its variables as the last holder left them.
void pin(G* gp) {
  gp->locked_m = gp->ctx.m;
  gp->ctx.m->locked_g = gp;
  happens_after(gp->ctx.m);
}

void unpin(G* gp) {
  if (gp->locked_count != 0 || gp->stays_on_m) return;
  happens_before(gp->ctx.m);
  gp->ctx.m->locked_g = nullptr;
  gp->locked_m = nullptr;
}

}  // namespace

// Asked to give way: behind everybody, not only behind those of this P.
G* gopreempt_m(G* gp) {
  check_canary(gp);
  dropg(gp);
  change_status<GStatus::running, GStatus::runnable>(gp);
  globrunqput(gp);
  return schedule_here();
}

G* async_preempt_m(G* gp) {
  check_canary(gp);
  M* mp = m_of_runtime();
  dropg(gp);
  change_status<GStatus::running, GStatus::runnable>(gp);
  if (!others_wait(mp->p)) return execute(gp);
  hold_m(mp, gp);
  globrunqput(gp);
  return schedule_here();
}

void let_go_of_m(M* mp) {
  if (!mp->held) return;
  mp->held = false;
  mp->locked_g->locked_m = nullptr;
  mp->locked_g = nullptr;
  held.fetch_sub(1, std::memory_order_relaxed);
}

bool may_hold_m(const G* gp) {
  return gp->locked_m != nullptr || held_ms() < kMaxHeldMs || sched.gcwaiting.load(std::memory_order_relaxed);
}

void no_held_ms() { held.store(0, std::memory_order_relaxed); }

int32_t held_ms() { return held.load(std::memory_order_relaxed); }

[[gnu::noinline, gnu::cold]] void slice_was_asked_for(P* pp) {
  pp->preempt.store(false, std::memory_order_relaxed);
  preempt_requests_served();
}

G* execute(G* gp, bool inherit_time) { return execute_here(m_of_runtime(), gp, inherit_time); }

// Says why and where, and returns the M.
[[gnu::always_inline]] static inline M* about_to_park(void* lock, WaitReason reason) {
  G* gp = goroutine_here();
  if (gp == nullptr) [[unlikely]] not_on_goroutine("a blocking operation");
  M* mp = gp->ctx.m;
  mp->wait_lock = lock;
  gp->wait_reason = reason;
  if (seam_active) [[unlikely]] gp->wait_site = REPRISE_SEAM_SITE();
  return mp;
}

void gopark(bool (*unlockf)(G*, void*), void* lock, WaitReason reason) {
  about_to_park(lock, reason)->wait_unlock_f = unlockf;
  mcall(park_m);
}

void goparkunlock(Lock* lock, WaitReason reason) {
  about_to_park(lock, reason);
  mcall(park_unlock_m);
}

[[gnu::noinline]] static void goready_under_policy(G* gp) {
  seam_note_wake(gp);
  change_status<GStatus::waiting, GStatus::runnable>(gp);
  ready_put(gp);
  if (getp() == nullptr) netpoll_break();
}

void goready(G* gp) {
  if (seam_active) [[unlikely]] return goready_under_policy(gp);
  change_status<GStatus::waiting, GStatus::runnable>(gp);
  ready_put_native(gp);
}

void gosched() {
  G* gp = goroutine_here();
  if (gp == nullptr) [[unlikely]] not_on_goroutine("yield");
  if (seam_active) [[unlikely]] {
    gp->op = seam::OpKind::yield;
    gp->op_site = REPRISE_SEAM_SITE();
    gp->access_count = 0;
  }
  gosched_announced();
}

void gosched_announced() { mcall(gosched_m); }

void gosched_preempted() { mcall(gosched_preempted_m); }

void yield_to(G* next) {
  m_of_runtime()->wait_lock = next;
  mcall(yield_to_m);
}

namespace {

bool asked_to_give_way() {
  G* gp = getg();
  // A request from before a policy was installed: whoever goes next is the policy's to say.
  if (seam_active) return false;
  if (gp == nullptr || gp != curg() || gp->no_preempt != 0 || gp->ctx.m->locks != 0) return false;
  // A signal's handler on a stack of its own may use libc's locks; it cannot give way, least of all
  // while it reports a fatal error.
  const auto here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  if (here < gp->ctx.stack_lo || here >= gp->ctx.stack_hi) return false;
  if (sched.dying.load(std::memory_order_relaxed)) return false;
  return getp()->preempt.load(std::memory_order_relaxed);
}

}  // namespace

// The bit goes at once, or every point on every P would come here until sysmon's next pass.
void preempt_point() {
  if (!asked_to_give_way()) return;
  mcall(gopreempt_m);
  preempt_requests_served();
}

void preempt_point_on_thread() {
  if (!asked_to_give_way() || !may_hold_m(getg())) return;
  mcall(async_preempt_m);
  preempt_requests_served();
}

int gomaxprocs(int n) {
  const int before = sched.gomaxprocs.load(std::memory_order_relaxed);
  if (n <= 0 || n == before) return before;
  if (seam_active) {
    sched.gomaxprocs.store(n, std::memory_order_relaxed);
    return before;
  }
  require_goroutine("gomaxprocs");
  stop_the_world();
  n = std::min(n, kMaxProcs);
  sched.gomaxprocs.store(n, std::memory_order_relaxed);
  start_the_world(n);
  return before;
}

// The reference's rule in native mode: the goroutine keeps the thread that it is on. In a controlled
// mode m0 belongs to the others, so it moves.
void lock_os_thread() {
  G* gp = require_goroutine("lock_os_thread");
  if (gp->locked_count++ != 0) return;
  if (seam_active) return lock_os_thread_controlled(gp);
  pin(gp);
}

void unlock_os_thread() {
  G* gp = require_goroutine("unlock_os_thread");
  if (gp->locked_count == 0 || --gp->locked_count != 0) return;
  if (seam_active) return unlock_os_thread_controlled(gp);
  unpin(gp);
}

bool stay_on_m(G* gp) {
  if (gp->stays_on_m || staying.load(std::memory_order_relaxed) >= kMaxHeldMs) return false;
  staying.fetch_add(1, std::memory_order_relaxed);
  gp->stays_on_m = true;
  if (gp->locked_count == 0) pin(gp);
  return true;
}

void leave_m(G* gp) {
  staying.fetch_sub(1, std::memory_order_relaxed);
  gp->stays_on_m = false;
  unpin(gp);
}

G* require_goroutine(const char* api) {
  if (G* gp = goroutine_here()) [[likely]] return gp;
  not_on_goroutine(api);
}

void require_booted(const char* api) {
  if (sched.booted) return;
  char text[160];
  std::snprintf(text, sizeof text,
                "%s before the runtime is up: static constructors run before schedinit; use "
                "REPRISE_INIT(name, deps...) instead", api);
  throw_(text);
}

}  // namespace reprise::rt

extern "C" reprise::rt::G* reprise_schedule() { return reprise::rt::schedule_here(); }
