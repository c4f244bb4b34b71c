// Stacks in a cycle: each is scanned once, before its goroutine runs on, by whoever comes first.
//
// When marking begins the world is stopped, so no goroutine runs. From then on none runs before its stack was scanned: execute()
// scans it if no worker has, and waits if one is at it. So the stacks of goroutines that run are black all through the
// cycle, and no stack is looked at twice. This is what the reference's second scan is for (section 6.3); HACKING.md has the argument.
//
// G::gcscan says who scans: 2 * cycle is a claim, 2 * cycle + 1 means that it is done. What a stack holds lies between its saved
// stack pointer and its end: switches, asynchronous ones too, save every register there. A goroutine in a
// system call has saved them as well (sys/blocking.h), and what its call does below is not looked at.
//
// Stacks of g0s hold nothing: what the runtime does on behalf of a goroutine is in the goroutine's frames, which wait for it.
//
// Natively a worker also gives back what a goroutine that waits has below its frames, if it once ran deep: pages that nobody will
// read again. While the worker has the claim the goroutine does not run. That it waits since the last cycle is told by a mark that the
// worker leaves in the dead words below its frames: whoever calls something there writes over it. So the hot paths know nothing of it,
// and a goroutine's pages go back once, at the second cycle that finds it waiting, and not again before it has run deep anew. What
// a mark misses (a large frame that leaves these words alone) costs a return too early or too late, no more. In controlled modes
// nothing is given back: HACKING.md.
#include "runtime/cgo/cgo.h"
#include "runtime/gc/gc.h"
#include "runtime/mem/stack.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

constinit std::atomic<bool> gc_stacks_grey{false};

namespace {

constinit std::atomic<G*> next_stack{nullptr};

uint32_t claim_of_cycle() { return 2 * gc_state.cycle.load(std::memory_order_relaxed); }

// Acquire, both ways out: what the other scanner did is before what we do.
bool claim(G* gp) {
  const uint32_t mine = claim_of_cycle();
  uint32_t seen = gp->gcscan.load(std::memory_order_acquire);
  while (seen != mine && seen != mine + 1) {
    if (gp->gcscan.compare_exchange_weak(seen, mine, std::memory_order_acquire)) return true;
  }
  return false;
}

void scan(G* gp, uintptr_t sp, GcWork* work) {
  uintptr_t from = sp & ~uintptr_t{7};
  if (from < gp->ctx.stack_lo || from >= gp->ctx.stack_hi) from = goroutine_above_c(from);  // parked in C's code
  if (from >= gp->ctx.stack_lo && from < gp->ctx.stack_hi) {
    gc_scan_words(from, gp->ctx.stack_hi, work);
    work->scan_work += static_cast<int64_t>(gp->ctx.stack_hi - from);
  }
  gp->gcscan.store(claim_of_cycle() + 1, std::memory_order_release);
}

// A worker's scan takes as long as a stack is deep.
void await_other(const G* gp) {
  while (gp->gcscan.load(std::memory_order_acquire) != claim_of_cycle() + 1) __builtin_ia32_pause();
}

void scan_or_await(G* gp, uintptr_t sp) {
  if (!claim(gp)) return await_other(gp);
  GcP* const gcp = gc_p();
  scan(gp, sp, &gcp->work);
  gc_state.stack_work.fetch_add(gcp->work.scan_work, std::memory_order_relaxed);
  gc_flush_counts(&gcp->work);
}

#ifndef REPRISE_SANITIZED
// Dead words: the ABI's red zone lies above them, though a goroutine that waits is in a call and has none.
constexpr uintptr_t kPageBytes = 4096, kRedZoneBytes = 128;
constexpr uint64_t kMarkMagic = 0x5250'5a69'646c'6521;
struct IdleMark {
  enum State : uint64_t { seen = 1, released = 2 };
  uint64_t magic[3];
  uint64_t state;
};

// REQUIRES: the claim. A goroutine that waits in C's code has its stack pointer elsewhere, one in a system call uses what is below.
void release_below(const G* gp, uintptr_t sp) {
  if (seam_active || gp->status.load(std::memory_order_acquire) != GStatus::waiting) return;
  const bool guarded = gp->ctx.stack_guard != gp->ctx.stack_lo;
  if (!guarded || sp < gp->ctx.stack_lo || sp >= gp->ctx.stack_hi) return;
  const uintptr_t at = (sp - kRedZoneBytes - sizeof(IdleMark)) & ~uintptr_t{15};
  // Not onto another page: it may have no memory.
  if (at / kPageBytes != sp / kPageBytes || at < gp->ctx.stack_lo + kPageBytes) return;
  auto* const mark = reinterpret_cast<IdleMark*>(at);
  bool ours = true;
  for (const uint64_t word : mark->magic) ours = ours && word == (kMarkMagic ^ at);
  if (ours && mark->state == IdleMark::released) return;
  if (ours) stack_release(gp->ctx.stack_lo, at);
  for (uint64_t& word : mark->magic) word = kMarkMagic ^ at;
  mark->state = ours ? IdleMark::released : IdleMark::seen;
}
#else
void release_below(const G*, uintptr_t) {}
#endif

// Nothing on it that must be kept: free, or not begun.
bool nothing_on(const G* gp) {
  const GStatus status = gp->status.load(std::memory_order_acquire);
  if (status == GStatus::idle) return true;
  return status == GStatus::dead && !gp->gcbuilding;
}

}  // namespace

void gc_begin_stacks() { next_stack.store(sched.allgs.load(std::memory_order_acquire), std::memory_order_relaxed); }

bool gc_stacks_done() { return next_stack.load(std::memory_order_relaxed) == nullptr; }

// A goroutine that runs was scanned before it went on; so one that is found unclaimed here does not run, or is about to and will
// find our claim.
bool gc_scan_some_stack(GcWork* work) {
  G* gp = next_stack.load(std::memory_order_relaxed);
  while (gp != nullptr) {
    if (!next_stack.compare_exchange_weak(gp, gp->alllink.load(std::memory_order_acquire), std::memory_order_relaxed)) continue;
    if (!nothing_on(gp) && claim(gp)) {
      // Before the scan, whose end is the end of the claim.
      release_below(gp, gp->ctx.sched.sp);
      scan(gp, gp->ctx.sched.sp, work);
      return true;
    }
    gp = next_stack.load(std::memory_order_relaxed);
  }
  return false;
}

void gc_scan_before_run(G* gp) { scan_or_await(gp, gp->ctx.sched.sp); }

__attribute__((noinline)) void gc_scan_own() {
  __builtin_unwind_init();  // registers that a caller's variables may be in, onto this frame
  scan_or_await(getg(), reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - 128);
}

void gc_stack_is_scanned(G* gp) { gp->gcscan.store(claim_of_cycle() + 1, std::memory_order_release); }

}  // namespace reprise::rt
