// Stack switches under sanitizers.
//
// AddressSanitizer wants to know the bounds of the stack that is switched to, before, and to be told
// on arrival; it keeps a shadow ("fake") stack for each. g0's bounds are the thread's; they are
// learned from the sanitizer itself at the first switch away from it.
//
// ThreadSanitizer keeps a clock and a call stack for each fiber. A goroutine's is made when it first
// runs and destroyed when it ends. This file and the scheduler's are compiled without it: their
// frames on g0 are returned from after it was told of the switch, and their data belongs to whoever holds the P,
// which it cannot see.
//
// Order under ThreadSanitizer: a goroutine's past happens before what follows on g0, always. Onward
// from g0 the same holds with one P and under a policy, where it is the truth. With several, or with
// fibers_unordered_for_test, only what readied the goroutine happens before it, as if every goroutine had
// its own thread: that it was run by the M that had run another is chance. The collector, which stops all and gives
// memory of one to another, orders what it must (fibers_stopped).
#include "runtime/sched/fibers.h"

#include "runtime/sched/sched.h"

#ifdef REPRISE_SANITIZED

#if defined(__SANITIZE_ADDRESS__)
#define REPRISE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPRISE_ASAN 1
#endif
#endif

// This file is compiled without -fsanitize=thread even where everything else has it.
#ifdef REPRISE_TSAN_FIBERS
#include <cerrno>

#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateBenignRaceSized(const char* file, int line, const volatile void* at, size_t bytes, const char* why);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif
#ifdef REPRISE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace reprise::rt {

bool fibers_unordered_for_test = false;

namespace {

G* g0_here() { return getm()->ctx.g0; }

#if defined(REPRISE_TSAN_FIBERS)
// Names for two orders: what goroutines did until they last stopped, and until the world last stopped.
char until_stopped, until_world_stopped;
#endif

#if defined(REPRISE_ASAN)

void leave(G* from, G* to, bool last) {
  const bool onto_g0 = to == g0_here();
  const void* lo = onto_g0 ? to->fiber.lo : reinterpret_cast<const void*>(to->ctx.stack_lo);
  const size_t size = onto_g0 ? to->fiber.size : to->ctx.stack_hi - to->ctx.stack_lo;
  __sanitizer_start_switch_fiber(last ? nullptr : &from->fiber.handle, lo, size);
}

void arrive_on_goroutine(G* gp) {
  G* g0 = g0_here();
  __sanitizer_finish_switch_fiber(gp->fiber.handle, &g0->fiber.lo, &g0->fiber.size);
}

void arrive_on_g0() { __sanitizer_finish_switch_fiber(g0_here()->fiber.handle, nullptr, nullptr); }

#elif defined(REPRISE_TSAN_FIBERS)

// Must be the last call before the switch that it would see.
void leave(G*, G* to, bool) {
  G* g0 = g0_here();
  if (g0->fiber.handle == nullptr) g0->fiber.handle = __tsan_get_current_fiber();
  if (to->fiber.handle == nullptr) to->fiber.handle = __tsan_create_fiber(0);
  const bool one_at_a_time = seam_active || sched.nprocs.load(std::memory_order_relaxed) == 1;
  const bool ordered = to == g0 || (one_at_a_time && !fibers_unordered_for_test);
  __tsan_switch_to_fiber(to->fiber.handle, ordered ? 0 : __tsan_switch_to_fiber_no_sync);
}

// What it runs with is there: the M and the P were made on somebody's g0.
void arrive_on_goroutine(G* gp) {
  __tsan_acquire(&gp->fiber);
  __tsan_acquire(g0_here());
  if (P* pp = getm()->p) __tsan_acquire(pp);
}

void arrive_on_g0() { __tsan_release(&until_stopped); }

#else

void leave(G*, G*, bool) {}
void arrive_on_goroutine(G*) {}
void arrive_on_g0() {}

#endif

G* mcall_arrived(G* gp) {
  arrive_on_g0();
  return gp->fiber.pending(gp);
}

struct SystemCall {
  void (*fn)(void*);
  void* arg;
  G* gp;
};

void systemstack_arrived(void* call) {
  auto* c = static_cast<SystemCall*>(call);
  arrive_on_g0();
  c->fn(c->arg);
  leave(g0_here(), c->gp, false);
}

}  // namespace

void mcall(G* (*fn)(G*), bool last) {
  G* gp = getg();
  gp->fiber.pending = fn;
  leave(gp, g0_here(), last);
  reprise_mcall(mcall_arrived);
  arrive_on_goroutine(gp);
}

void fiber_leaves_g0(G* to) { leave(g0_here(), to, false); }

void systemstack(void (*fn)(void*), void* arg) {
  G* gp = getg();
  if (gp == g0_here()) return fn(arg);
  SystemCall call{fn, arg, gp};
  leave(gp, g0_here(), false);
  reprise_systemstack(systemstack_arrived, &call);
  arrive_on_goroutine(gp);
}

void fiber_started(G* gp) { arrive_on_goroutine(gp); }

void fiber_about_to_start(G* gp) {
#if defined(REPRISE_ASAN)
  gp->fiber.handle = nullptr;
  __asan_unpoison_memory_region(reinterpret_cast<void*>(gp->ctx.stack_lo),
                                gp->ctx.stack_hi - gp->ctx.stack_lo);
#elif defined(REPRISE_TSAN_FIBERS)
  if (gp->fiber.handle != nullptr) __tsan_destroy_fiber(gp->fiber.handle);
  gp->fiber.handle = nullptr;
  __tsan_acquire(&gp->fiber);
#else
  (void)gp;
#endif
}

// Its stack and G go to somebody else by lists that are not looked at here: what it did happens before
// what the next owner does with them.
void fiber_ended([[maybe_unused]] G* gp) {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_release(&gp->fiber);
#endif
}

// It notices exceptions by itself, but not a forced unwinding.
void fiber_unwinding() {
#if defined(REPRISE_ASAN)
  __asan_handle_no_return();
#endif
}

void fiber_readied([[maybe_unused]] G* gp) {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_release(&gp->fiber);
#endif
}

void happens_before([[maybe_unused]] const void* x) {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_release(const_cast<void*>(x));
#endif
}

void happens_after([[maybe_unused]] const void* x) {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_acquire(const_cast<void*>(x));
#endif
}

void fibers_stopped() {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_acquire(&until_stopped);
  __tsan_release(&until_world_stopped);
#endif
}

void fiber_takes_memory() {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_acquire(&until_world_stopped);
#endif
}

void fiber_enters_syscall() {
#if defined(REPRISE_TSAN_FIBERS)
  __tsan_release(&until_stopped);
#endif
}

FiberUnseen::FiberUnseen() {
#if defined(REPRISE_TSAN_FIBERS)
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

FiberUnseen::~FiberUnseen() {
#if defined(REPRISE_TSAN_FIBERS)
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
}

void stack_holds_pointers([[maybe_unused]] uint64_t lo, [[maybe_unused]] uint64_t hi) {
#if defined(REPRISE_ASAN)
  __lsan_register_root_region(reinterpret_cast<const void*>(lo), hi - lo);
#endif
}

// Said by the one means there is. It lasts longer than the thread: four bytes.
void errno_is_swapped() {
#if defined(REPRISE_TSAN_FIBERS)
  AnnotateBenignRaceSized(__FILE__, __LINE__, &errno, sizeof errno, "errno goes along with the goroutine");
#endif
}

}  // namespace reprise::rt

#endif  // REPRISE_SANITIZED
