// Run queues: the reference's ring of 256 per P, and the global queue that takes its overflow.
//
// The ring has one producer, the M that holds the P, and consumers by compare-and-swap on the head,
// so that thieves may come (native mode). Invariant: head <= tail <= head + kRunqSize.
//
// Left out until there is stealing and asynchronous preemption: runnext. On one M without a time
// slice two goroutines that wake each other through it would starve the rest.
#include "runtime/sched/sched.h"

namespace reprise::rt {

void GQueue::push(G* gp) {
  gp->schedlink = nullptr;
  (tail == nullptr ? head : tail->schedlink) = gp;
  tail = gp;
}

G* GQueue::pop() {
  G* gp = head;
  if (gp == nullptr) return nullptr;
  head = gp->schedlink;
  if (head == nullptr) tail = nullptr;
  gp->schedlink = nullptr;
  return gp;
}

namespace {

// For threads without a P, and for what the ring cannot take. The ring is emptied first, and while
// the global queue holds anything newcomers join it, so that arrival order is kept.
void put_global(G* gp) {
  sched.lock.lock();
  sched.global.push(gp);
  sched.global_size.fetch_add(1, std::memory_order_relaxed);
  sched.lock.unlock();
}

}  // namespace

void runqput(P* pp, G* gp) {
  if (pp == nullptr) return put_global(gp);
  const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);  // only we store it
  const uint32_t head = pp->runqhead.load(std::memory_order_acquire);
  // While older ones wait in the global queue a newcomer must not overtake them.
  if (tail - head >= kRunqSize || sched.global_size.load(std::memory_order_relaxed) != 0) {
    return put_global(gp);
  }
  pp->runq[tail % kRunqSize].store(gp, std::memory_order_relaxed);
  pp->runqtail.store(tail + 1, std::memory_order_release);
}

G* runqget(P* pp) {
  uint32_t head = pp->runqhead.load(std::memory_order_acquire);
  for (;;) {
    const uint32_t tail = pp->runqtail.load(std::memory_order_relaxed);
    if (head == tail) break;
    G* gp = pp->runq[head % kRunqSize].load(std::memory_order_relaxed);
    if (pp->runqhead.compare_exchange_strong(head, head + 1, std::memory_order_acq_rel)) return gp;
  }
  if (sched.global_size.load(std::memory_order_acquire) == 0) return nullptr;
  sched.lock.lock();
  G* gp = sched.global.pop();
  if (gp != nullptr) sched.global_size.fetch_sub(1, std::memory_order_relaxed);
  sched.lock.unlock();
  return gp;
}

bool runqempty(const P* pp) {
  return pp->runqhead.load(std::memory_order_relaxed) == pp->runqtail.load(std::memory_order_relaxed) &&
         sched.global_size.load(std::memory_order_acquire) == 0;
}

}  // namespace reprise::rt
