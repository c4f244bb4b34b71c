// Birth and death of goroutines: newproc, the first C++ frame, goexit.
//
// Invariant: a goroutine is counted in user_goroutines, of the P or of sched, from newproc_start() until
// goexit0().
// The goroutine's name is fixed at birth: a hash of its parent's name and of how many children the
// parent had; two runs in which the parent does the same give the same names, whatever the schedule.
#include <unwind.h>

#include <new>

#include "asm/asm.h"
#include "runtime/panic/panic.h"
#include "runtime/race/race.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/gstatus.h"
#include "runtime/sched/here.h"
#include "runtime/sched/idle.h"
#include "runtime/sched/locals.h"
#include "runtime/sched/native.h"
#include "runtime/sched/next.h"
#include "runtime/sched/sched.h"
#include "runtime/seam/names.h"
#include "runtime/sched/seam.h"

namespace reprise::rt {

namespace {

// Who counts as parent on g0: the system goroutine of the first thread, whatever the M.
G* parent_of_spawn() {
  G* gp = curg();
  return gp != nullptr ? gp : &reprise_g0;
}

void reset(G* gp) {
  gp->spawns = 0;
  gp->objects = 0;
  gp->entry_drop = nullptr;
  gp->wait_reason = WaitReason::none;
  gp->wait_since_ns = 0;
  gp->op = seam::OpKind::start;
  gp->access_count = 0;
  gp->param = nullptr;
  gp->waiting = nullptr;
  gp->select_done.store(0, std::memory_order_relaxed);
  gp->saved_errno = 0;
  gp->eh = {};
  gp->panic = nullptr;
  gp->no_preempt = 0;
  gp->exiting = false;
}

// The g0 that stands for all others is shared by threads; only distinct values are needed: relaxed.
uint64_t next_child_of(G* parent) {
  if (parent != &reprise_g0) return parent->spawns++;
  return std::atomic_ref(parent->spawns).fetch_add(1, std::memory_order_relaxed);
}

// In native mode each P takes ids by batches, as the reference does.
uint64_t next_goid() {
  constexpr uint64_t kBatch = 16;
  P* pp = p_here();
  if (seam_active || pp == nullptr) return sched.goidgen.fetch_add(1, std::memory_order_relaxed) + 1;
  if (pp->goidcache == pp->goidcacheend) {
    pp->goidcache = sched.goidgen.fetch_add(kBatch, std::memory_order_relaxed) + 1;
    pp->goidcacheend = pp->goidcache + kBatch;
  }
  return pp->goidcache++;
}

enum class Turn { birth, death };

// The owner's alone to write where there is a P.
void count_goroutine(Turn turn) {
  P* pp = p_here();
  auto& counts = pp != nullptr ? pp->user_goroutines : sched.user_goroutines;
  happens_before(&counts);
  count_one(turn == Turn::birth ? counts.births : counts.deaths, pp == nullptr);
}

void christen(G* gp, G* parent) {
  gp->goid = next_goid();
  gp->parent_goid = parent->goid;
  if (!gp->named) gp->name = seam::child_name(parent->name, next_child_of(parent));
  gp->op_site = gp->spawn_site;
}

void make_runnable(G* gp, void (*fn)(void*), void (*drop)(void*)) {
  christen(gp, parent_of_spawn());
  gp->entry = fn;
  gp->entry_drop = drop;
  if (!gp->system) count_goroutine(Turn::birth);
  seam_note_spawn(gp);
  change_status<GStatus::dead, GStatus::runnable>(gp);
  gp->gcbuilding = false;
}

void start(G* gp, void (*fn)(void*), void (*drop)(void*)) {
  if (goroutine_here() != nullptr) seam_point(seam::OpKind::spawn, {});
  make_runnable(gp, fn, drop);
  ready_put(gp);
  if (seam_active && getg() == nullptr) netpoll_break();  // a foreign thread: the scheduler may be asleep
}

G* goexit0(G* gp) {
  save_thread_state(gp);
  change_status<GStatus::running, GStatus::dead>(gp);
  M* mp = m_of_runtime();
  mp->ctx.curg = nullptr;
  gp->ctx.m = nullptr;
  if (!gp->system) count_goroutine(Turn::death);
  seam_note_exit(gp);
  if (gp->locked_m != nullptr) {
    // The thread's state may be anything by now, so the thread ends with its goroutine.
    mp->locked_g = nullptr;
    mp->exiting = true;
    gp->locked_m = nullptr;
    gp->locked_count = 0;
    gp->stays_on_m = false;
  }
  fiber_ended(gp);
  gfput(gp);
  return schedule_here();
}

// In the goroutine's first frame, where nothing can recover any more.
void end_of_panics(G* gp) {
  if (gp->panic == nullptr) return;
  if (unrecovered(gp) != nullptr) die_of_panics(gp);
  drop_panics(gp);
}

_Unwind_Reason_Code stop_at_first_frame(int, _Unwind_Action actions, _Unwind_Exception_Class,
                                        _Unwind_Exception*, _Unwind_Context*, void*) {
  if (actions & _UA_END_OF_STACK) {
    end_of_panics(getg());
    locals_destroy(getg());
    mcall(goexit0, true);
  }
  return _URC_NO_REASON;
}

void goexit_was_swallowed(_Unwind_Reason_Code, _Unwind_Exception*) {
  throw_("goexit: a catch (...) did not rethrow");
}

}  // namespace

G* newproc_begin(size_t bytes, size_t align, SpawnOptions options) {
  require_booted("go");
  G* gp = gfget(options.stack_bytes);
  fiber_about_to_start(gp);
  reset(gp);
  // Here, not in newproc_start(), which a caller may leave to at its end without being on the stack.
  gp->spawn_site = REPRISE_PROGRAM_SITE();
  if (seam_active && race_hooks != nullptr) race_hooks->born(gp);
  gp->system = options.system;
  gp->gcAssistBytes = 0;
  gp->gcbuilding = true;
  gp->named = options.maker != nullptr;
  if (gp->named) {
    gp->name = seam::child_name({options.maker->name, options.maker->offset}, options.maker_index);
  }
  if (bytes > (gp->ctx.stack_hi - gp->ctx.stack_lo) / 2) {
    newproc_abandon(gp);
    gopanic("go: argument larger than half the stack");
  }
  const uint64_t room = (gp->ctx.stack_hi - bytes) & ~(uint64_t{align < 16 ? 16 : align} - 1);
  gp->entry_arg = reinterpret_cast<void*>(room);
  gp->ctx.sched.sp = room;
  gp->ctx.sched.pc = reinterpret_cast<uint64_t>(&reprise_gostart);
  gp->ctx.sched.bp = 0;
  return gp;
}

void newproc_start(G* gp, void (*fn)(void*), void (*drop)(void*)) {
  start(gp, fn, drop);
}

void newproc_abandon(G* gp) {
  gp->gcbuilding = false;
  gfput(gp);
}

G* newproc(void (*fn)(void*), void* arg, void (*drop)(void*), SpawnOptions options) {
  G* gp = newproc_begin(0, 16, options);
  gp->entry_arg = arg;
  gp->spawn_site = REPRISE_PROGRAM_SITE();
  start(gp, fn, drop);
  return gp;
}

G* newproc_for_now(void (*fn)(void*), void* arg, SpawnOptions options) {
  G* gp = newproc_begin(0, 16, options);
  gp->entry_arg = arg;
  gp->spawn_site = REPRISE_PROGRAM_SITE();
  make_runnable(gp, fn, nullptr);
  fiber_readied(gp);
  return gp;
}

G* newproc_on_thread(void (*fn)(void*), void* arg, M* mp) {
  G* gp = newproc_begin(0, 16);
  gp->entry_arg = arg;
  gp->locked_m = mp;
  gp->locked_count = 1;
  mp->locked_g = gp;
  make_runnable(gp, fn, nullptr);
  return gp;
}

// Runs the deferred and the destructors of every frame, then ends the goroutine: a forced unwinding,
// which catch (...) must pass on, as with pthread_exit.
void goexit() {
  G* gp = require_goroutine("goexit");
  gp->exiting = true;
  static_assert(sizeof(_Unwind_Exception) <= sizeof gp->exit_token);
  auto* token = new (gp->exit_token) _Unwind_Exception{};
  token->exception_cleanup = goexit_was_swallowed;
  fiber_unwinding();
  _Unwind_ForcedUnwind(token, stop_at_first_frame, nullptr);
  throw_("goexit: unwinding came back");
}

// Ps come one after the other and never go, so the sums are over all there ever were.
uint64_t num_goroutine() {
  return goroutines_alive([](auto f) {
    f(sched.user_goroutines);
    happens_after(&sched.user_goroutines);
    for (int32_t i = 0; i < kMaxProcs; ++i) {
      const P* pp = allp[i].load(std::memory_order_acquire);
      if (pp == nullptr) break;
      f(pp->user_goroutines);
      happens_after(&pp->user_goroutines);
    }
  });
}

}  // namespace reprise::rt

extern "C" void reprise_goroutine_main(reprise::rt::G* gp) {
  reprise::rt::fiber_started(gp);
  try {
    gp->entry(gp->entry_arg);
  } catch (const reprise::detail::PanicUnwind& unwind) {
    reprise::rt::end_of_panics(gp);
    unwind.arrive();
  }
  reprise::rt::locals_destroy(gp);
  reprise::rt::mcall(reprise::rt::goexit0, true);
  __builtin_unreachable();
}
