// Requests to give way: who asks, and how the goroutine that runs notices.
//
// A request is P::preempt. So that scheduling points stay one branch, they look at one byte,
// `seam_attention`; its kAttendPreempt bit says that some P has a request open, and sends every
// point on every P into the slow path until it is served. Who serves the last one takes the bit back, and sysmon where
// nobody did. Allocations look at a byte of their own, `heap_attention`, in which kHeapGiveWay says the same. A goroutine that passes no point is interrupted by a signal to its M's thread, whose handler serves the same
// request.
//
// Order: the request is stored before the bit, the bit is taken back by a look at all requests. A
// point that misses a fresh request sees it when sysmon or the stopper asks again; both do, and the
// signal is sent again then, for one that came where nothing may be interrupted.
#include "asm/preempt.h"
#include "runtime/mem/mallocgc.h"
#include "runtime/sched/fibers.h"
#include "runtime/sched/native.h"
#include "runtime/sched/seam.h"
#include "runtime/signal/sigpreempt.h"

namespace reprise::rt {

constinit std::atomic<uint8_t> seam_attention{0};

void preemptone(P* pp) {
  pp->preempt.store(true, std::memory_order_relaxed);
  // Release: a point that sees the bit sees the request.
  seam_attention.fetch_or(kAttendPreempt, std::memory_order_release);
  heap_attention.fetch_or(kHeapGiveWay, std::memory_order_release);
  // A hint: the P may have moved on, and then the signal's handler finds nothing to do.
  if (M* mp = pp->m.load(std::memory_order_relaxed)) signal_preempt(mp);
}

void preemptall() {
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < procs; ++i) {
    P* pp = allp[i].load(std::memory_order_acquire);
    if (pp->status.load(std::memory_order_relaxed) == PStatus::running) preemptone(pp);
  }
}

namespace {

void clear_bits() {
  seam_attention.fetch_and(static_cast<uint8_t>(~kAttendPreempt), std::memory_order_relaxed);
  heap_attention.fetch_and(static_cast<uint8_t>(~kHeapGiveWay), std::memory_order_relaxed);
}

}  // namespace

void preempt_requests_served() {
  if ((seam_attention.load(std::memory_order_relaxed) & kAttendPreempt) == 0) return;
  const int32_t procs = sched.nprocs.load(std::memory_order_acquire);
  for (int32_t i = 0; i < procs; ++i) {
    P* pp = allp[i].load(std::memory_order_acquire);
    const bool running = pp->status.load(std::memory_order_relaxed) == PStatus::running;
    if (running && pp->preempt.load(std::memory_order_relaxed)) return;
  }
  clear_bits();
}

void preempt_requests_drop() {
  for (auto& slot : allp) {
    P* const pp = slot.load(std::memory_order_acquire);
    if (pp == nullptr) break;
    pp->preempt.store(false, std::memory_order_relaxed);
  }
  clear_bits();
}

}  // namespace reprise::rt

// On the goroutine, at an instruction that made no call: everything that is live is saved already.
extern "C" void reprise_async_preempt2() {
  using namespace reprise::rt;
  if (seam_active) return seam_preempted();
  mcall(async_preempt_m);
}
