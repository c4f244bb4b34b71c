// Run queues: the reference's ring and runnext of each P, and the global queue behind them.
//
// A ring has one producer, the M that holds the P, and many consumers: that M and thieves. Slots
// [runqhead, runqtail) are full. The producer alone stores runqtail; consumers take slots by
// compare-and-swap on runqhead. runnext holds the goroutine that the running one readied last: it
// runs next and inherits the time slice, so that two that wake each other count as one. Only the
// producer makes runnext non-null; anybody may take it.
//
// Invariants:
//   runqhead <= runqtail <= runqhead + size, as the producer sees them (indices wrap at 2^32).
//   A goroutine on a queue is on one queue, once; whoever takes it out owns it.
//   What its producer wrote before putting a goroutine is visible to whoever takes it.
//
// Everything is a template over the types that hold the state, so that the explorer of tests/model
// runs this source with small rings on a weak memory model. They are duck-typed:
//   P      atomics runqhead, runqtail (32 bit), runnext and the array runq (G*); a power of two
//   G      schedlink
//   Sched  lock, global (GQueueOf), global_size (atomic), gomaxprocs, runnext_grace(P*)
// sched.h has the wrappers over the one Sched that is real.
// `alone`: there is one P, so that there are no thieves and what only consumers compete for is the producer's: plain stores in
// place of locked instructions. The number of Ps changes while the world is stopped.
//
// Thread safety: "producer" is the M that holds pp, "any" any thread. Nothing here parks; what takes
// sched.lock says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "runtime/sched/proc.h"

namespace reprise::rt {

// Goroutines in order of arrival, linked by schedlink. Not synchronised: its owner's guard is.
template <class G, class Link = G*>
struct GQueueOf {
  Link head = nullptr;
  Link tail = nullptr;

  bool empty() const { return head == nullptr; }

  void push(G* gp) {
    gp->schedlink = nullptr;
    append(gp, gp);
  }

  // A chain first..last, linked, whose end is null.
  void append(G* first, G* last) {
    if (G* before = tail) {
      before->schedlink = first;
    } else {
      head = first;
    }
    tail = last;
  }

  G* pop() {
    G* gp = head;
    if (gp == nullptr) return nullptr;
    G* rest = gp->schedlink;
    head = rest;
    if (rest == nullptr) tail = nullptr;
    gp->schedlink = nullptr;
    return gp;
  }
};

// What runqget returns. inherit_time: it came from runnext and goes on with the slice of the one
// that readied it.
template <class G>
struct RunqGot {
  G* gp = nullptr;
  bool inherit_time = false;
};

template <class P>
inline constexpr uint32_t kRingSizeOf = std::extent_v<decltype(P::runq)>;

template <class P>
auto& runq_slot(P* pp, uint32_t index) {
  static_assert((kRingSizeOf<P> & (kRingSizeOf<P> - 1)) == 0, "indices wrap at 2^32");
  return pp->runq[index % kRingSizeOf<P>];
}

// ---- the global queue ----------------------------------------------------------------------------

// The size is kept for readers without the lock, to whom it is a hint. The submitter's full fence
// before it looks for idle Ps (wakeup.h) is what makes the hint reliable to an M that goes to sleep.
template <class Sched>
void global_size_add(Sched& sched, int64_t count) {
  // Written under the lock only, so no read-modify-write.
  const uint64_t size = sched.global_size.load(std::memory_order_relaxed);
  sched.global_size.store(size + static_cast<uint64_t>(count), std::memory_order_relaxed);
}

// REQUIRES: sched.lock.
template <class Sched, class G>
void globrunqput(Sched& sched, G* gp) {
  sched.global.push(gp);
  global_size_add(sched, 1);
}

// A linked chain of count goroutines. REQUIRES: sched.lock.
template <class Sched, class G>
void globrunqputbatch(Sched& sched, G* first, G* last, uint32_t count) {
  last->schedlink = nullptr;
  sched.global.append(first, last);
  global_size_add(sched, count);
}

// ---- the producer's side -------------------------------------------------------------------------

// Moves half of a full ring, and gp behind it, to the global queue. False: a thief came, there is
// room again. Producer; takes sched.lock.
template <class Sched, class P, class G>
[[gnu::noinline]] bool runqputslow(Sched& sched, P* pp, G* gp, uint32_t head, uint32_t tail) {
  constexpr uint32_t kHalf = kRingSizeOf<P> / 2;
  if (tail - head != kRingSizeOf<P>) throw_("runqputslow: queue is not full");
  G* batch[kHalf + 1];
  for (uint32_t i = 0; i < kHalf; ++i) {
    // Relaxed: the producer's own stores (another M's, if the P moved, came with the P).
    batch[i] = runq_slot(pp, head + i).load(std::memory_order_relaxed);
  }
  // Release: commits the reads above, as every consumer's does (see runqgrab).
  if (!pp->runqhead.compare_exchange_strong(head, head + kHalf, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    return false;
  }
  batch[kHalf] = gp;
  for (uint32_t i = 0; i < kHalf; ++i) batch[i]->schedlink = batch[i + 1];
  sched.lock.lock();
  globrunqputbatch(sched, batch[0], gp, kHalf + 1);
  sched.lock.unlock();
  return true;
}

// Makes gp the next to run (next), or puts it at the ring's end. A goroutine that next displaces
// goes to the ring's end; a full ring gives half to the global queue. True: all that was published was published by a
// sequentially consistent exchange (wakep_published). Producer.
template <class Sched, class P, class G>
[[gnu::always_inline]] inline bool runqput(Sched& sched, P* pp, G* gp, bool next, bool alone = false) {
  if (next) {
    // Release: a thief that takes gp out of runnext sees all of it. What comes back was put there
    // by a producer or is null.
    if (alone) {
      G* const before = pp->runnext.load(std::memory_order_relaxed);
      pp->runnext.store(gp, std::memory_order_release);
      gp = before;
    } else {
      gp = pp->runnext.exchange(gp, std::memory_order_seq_cst);
    }
    if (gp == nullptr) return true;
  }
  for (;;) {
    // Acquire, with the consumers' release: their reads of a slot come before it is written again.
    const uint32_t head = pp->runqhead.load(std::memory_order_acquire);
    const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);  // only the producer stores it
    if (tail - head < kRingSizeOf<P>) {
      runq_slot(pp, tail).store(gp, std::memory_order_relaxed);
      // Release: publishes the slot and the goroutine. Consumers acquire it.
      pp->runqtail.store(tail + 1, std::memory_order_release);
      return false;
    }
    if (runqputslow(sched, pp, gp, head, tail)) return false;
  }
}

// Puts a whole queue of count goroutines: into the ring as far as there is room, the rest into the
// global queue. Leaves queue empty. Producer; takes sched.lock if there is a rest.
template <class Sched, class P, class Queue>
void runqputbatch(Sched& sched, P* pp, Queue* queue, uint32_t count) {
  const uint32_t head = pp->runqhead.load(std::memory_order_acquire);  // as in runqput
  uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);
  while (!queue->empty() && tail - head < kRingSizeOf<P>) {
    runq_slot(pp, tail).store(queue->pop(), std::memory_order_relaxed);
    ++tail;
    --count;
  }
  pp->runqtail.store(tail, std::memory_order_release);  // as in runqput
  if (queue->empty()) return;
  sched.lock.lock();
  globrunqputbatch(sched, static_cast<decltype(queue->pop())>(queue->head),
                   static_cast<decltype(queue->pop())>(queue->tail), count);
  sched.lock.unlock();
  *queue = {};
}

// The next goroutine of the ring or runnext, null if there is none. Producer.
template <class P>
[[gnu::always_inline]] inline auto runqget(P* pp, bool alone = false) {
  using Got = RunqGot<std::remove_pointer_t<decltype(pp->runnext.load())>>;
  // Only the producer makes runnext non-null, so a failed exchange means that a thief has it, and
  // that it stays empty. Relaxed to load: what is there is the producer's own. Release to clear: who
  // reads the null sees that the one displaced before went into the ring (runqempty needs that).
  auto* next = pp->runnext.load(std::memory_order_relaxed);
  if (next != nullptr) {
    if (alone) {
      pp->runnext.store(nullptr, std::memory_order_release);
      return Got{next, true};
    }
    if (pp->runnext.compare_exchange_strong(next, nullptr, std::memory_order_release, std::memory_order_relaxed)) {
      return Got{next, true};
    }
  }
  for (;;) {
    // Acquire: after it the producer may reuse the slots that others have emptied.
    uint32_t head = pp->runqhead.load(std::memory_order_acquire);
    const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);
    if (head == tail) return Got{};
    auto* gp = runq_slot(pp, head).load(std::memory_order_relaxed);  // the producer's own store
    if (alone) {
      pp->runqhead.store(head + 1, std::memory_order_release);
      return Got{gp, false};
    }
    if (pp->runqhead.compare_exchange_strong(head, head + 1, std::memory_order_release,
                                             std::memory_order_relaxed)) {
      return Got{gp, false};
    }
  }
}

// A share of the global queue: one to run now, the others into pp's ring. max: at most so many, 0 for
// no limit of the caller's. REQUIRES: sched.lock; at least half of pp's ring is free. Producer.
template <class Sched, class P>
auto globrunqget(Sched& sched, P* pp, uint32_t max) -> decltype(sched.global.pop()) {
  const uint64_t size = sched.global_size.load(std::memory_order_relaxed);
  if (size == 0) return nullptr;
  uint64_t count = size / static_cast<uint64_t>(sched.gomaxprocs) + 1;
  if (count > size) count = size;
  if (max > 0 && count > max) count = max;
  if (count > kRingSizeOf<P> / 2) count = kRingSizeOf<P> / 2;
  global_size_add(sched, -static_cast<int64_t>(count));
  auto* gp = sched.global.pop();
  // Never overflows, which would take the lock that we hold.
  while (--count != 0) runqput(sched, pp, sched.global.pop(), false);
  return gp;
}

// ---- thieves -------------------------------------------------------------------------------------

// Takes half of pp's ring, or its runnext if the ring is empty and steal_runnext, into the slots of
// thief's ring from batch_tail on; does not publish them there. Returns how many. Any M with a P.
//
// Why a slot is never taken twice. A thief reads slots [h, h+n), then moves head from h to h+n. The
// swap succeeds for one consumer only, since head never returns to h (2^32 indices later, but not
// while a consumer stands between two instructions). If a slot was reused between, head had moved
// before, and our swap fails: what we read is dropped.
template <class Sched, class P>
uint32_t runqgrab(Sched& sched, P* pp, P* thief, uint32_t batch_tail, bool steal_runnext) {
  for (;;) {
    // Acquire: head as another consumer left it comes with the tail which that consumer saw, so that
    // head <= tail below.
    uint32_t head = pp->runqhead.load(std::memory_order_acquire);
    // Acquire, with the producer's release: the slots before tail, and their goroutines, are visible.
    const uint32_t tail = pp->runqtail.load(std::memory_order_acquire);
    uint32_t count = tail - head;
    count -= count / 2;
    if (count == 0) {
      if (!steal_runnext) return 0;
      auto* next = pp->runnext.load(std::memory_order_relaxed);
      if (next == nullptr) return 0;
      // The one that readied it is likely to park in a moment and run it here, warm. Taking it at
      // once would make the two threads fight over every wake-up.
      sched.runnext_grace(pp);
      // Acquire, with the producer's release: the goroutine is visible.
      if (!pp->runnext.compare_exchange_strong(next, nullptr, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
        continue;
      }
      runq_slot(thief, batch_tail).store(next, std::memory_order_relaxed);  // unpublished
      return 1;
    }
    if (count > kRingSizeOf<P> / 2) continue;  // head and tail are of different moments
    for (uint32_t i = 0; i < count; ++i) {
      // Relaxed on both sides: acquired with tail above; published by runqsteal's store of tail.
      auto* gp = runq_slot(pp, head + i).load(std::memory_order_relaxed);
      runq_slot(thief, batch_tail + i).store(gp, std::memory_order_relaxed);
    }
    // Release: the reads above come before the producer, who acquires head, reuses the slots.
    if (pp->runqhead.compare_exchange_strong(head, head + count, std::memory_order_release,
                                             std::memory_order_relaxed)) {
      return count;
    }
  }
}

// Moves half of victim's goroutines to pp's ring and returns one of them to run, null if there are
// none. REQUIRES: pp's ring is empty. Producer of pp.
template <class Sched, class P>
auto runqsteal(Sched& sched, P* pp, P* victim, bool steal_runnext) -> decltype(pp->runnext.load()) {
  const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);
  uint32_t count = runqgrab(sched, victim, pp, tail, steal_runnext);
  if (count == 0) return nullptr;
  --count;
  auto* gp = runq_slot(pp, tail + count).load(std::memory_order_relaxed);
  if (count == 0) return gp;
  const uint32_t head = pp->runqhead.load(std::memory_order_acquire);  // as in runqput
  if (tail - head + count >= kRingSizeOf<P>) throw_("runqsteal: runq overflow");
  // Release: publishes slots and goroutines that were the victim's to thieves of ours.
  pp->runqtail.store(tail + count, std::memory_order_release);
  return gp;
}

// Whether pp has nothing to run. Any thread; with other threads at work the answer is of some moment
// during the call, which is enough for one that has announced itself before (wakeup.h).
//
// head == tail and then runnext == null is not enough: between the two the producer may have
// displaced a goroutine from runnext into the ring and run the newcomer. Acquire on runnext, with
// the release in runqget, shows the tail of that time in the second look.
template <class P>
bool runqempty(const P* pp) {
  for (;;) {
    const uint32_t head = pp->runqhead.load(std::memory_order_acquire);
    const uint32_t tail = pp->runqtail.load(std::memory_order_acquire);
    auto* next = pp->runnext.load(std::memory_order_acquire);
    if (tail == pp->runqtail.load(std::memory_order_relaxed)) return head == tail && next == nullptr;
  }
}

}  // namespace reprise::rt
