// Free goroutines: a G and its stack, used again together.
//
// The G lies at the top of its stack, so that a parked goroutine costs one page, and below it the
// argument that newproc_begin() makes room for. Successive stacks are coloured: their tops differ
// by some cache lines, or all goroutines would compete for the same sets of the first-level cache.
//
// Free goroutines of the default size wait at the P (its owner's, no lock), others and surplus ones
// in lists by class (LockRank::gfree). Beyond kKeepPages free ones an idle stack gives its pages
// back, all but the top one; a canary does not survive that, so stacks without a guard keep theirs.
#include <cstddef>
#include <new>

#include "runtime/mem/stack.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

constexpr int32_t kLocalMax = 1024;
constexpr uint64_t kKeepPages = 16384;
constexpr uint64_t kColours = 8;
constexpr uint64_t kColourBytes = 192;

constinit Lock gfree_lock{LockRank::gfree};
G* gfree_lists[kStackClasses];  // gfree_lock
uint64_t gfree_count = 0;       // gfree_lock: on all lists
constinit Lock allg_lock{LockRank::allg};
uint64_t allg_count = 0;        // allg_lock

// Release: whoever walks allgs without the lock finds each G built.
void link_allg(G* gp) {
  (sched.allgs_tail == nullptr ? sched.allgs : sched.allgs_tail->alllink).store(gp, std::memory_order_release);
  sched.allgs_tail = gp;
}

G* malg(int size_class) {
  const Stack stack = stackalloc(size_class);
  allg_lock.lock();
  const uint64_t colour = allg_count++ % kColours;
  const uint64_t at = (stack.hi - sizeof(G) - colour * kColourBytes) & ~uint64_t{63};
  G* gp = new (reinterpret_cast<void*>(at)) G;
  gp->ctx.stack_lo = stack.lo;
  gp->ctx.stack_hi = at;
  gp->ctx.stack_guard = stack.guard;
  gp->stack_bytes = stack_class_bytes(size_class);
  link_allg(gp);
  allg_lock.unlock();
  casgstatus(gp, GStatus::idle, GStatus::dead);
  return gp;
}

G* pop(G** list) {
  G* gp = *list;
  if (gp != nullptr) *list = gp->schedlink;
  return gp;
}

}  // namespace

G* gfget(size_t stack_bytes) {
  const int size_class = stack_class(stack_bytes);
  if (size_class < 0) gopanic("go: stack size out of range");
  P* pp = getp();
  if (size_class == 0 && pp != nullptr && pp->gfree != nullptr) {
    --pp->gfree_count;
    return pop(&pp->gfree);
  }
  gfree_lock.lock();
  G* gp = pop(&gfree_lists[size_class]);
  if (gp != nullptr) --gfree_count;
  gfree_lock.unlock();
  return gp != nullptr ? gp : malg(size_class);
}

void gfput(G* gp) {
  P* pp = getp();
  const int size_class = stack_class(gp->stack_bytes);
  if (size_class == 0 && pp != nullptr && pp->gfree_count < kLocalMax) {
    gp->schedlink = pp->gfree;
    pp->gfree = gp;
    ++pp->gfree_count;
    return;
  }
  gfree_lock.lock();
  const bool keep = ++gfree_count <= kKeepPages && size_class == 0;
  gfree_lock.unlock();
  const bool guarded = gp->ctx.stack_guard != gp->ctx.stack_lo;
  if (!keep && guarded) stack_release(gp->ctx.stack_lo, gp->ctx.stack_hi);
  gfree_lock.lock();
  gp->schedlink = gfree_lists[size_class];
  gfree_lists[size_class] = gp;
  gfree_lock.unlock();
}

// A P that is no more leaves its free goroutines to the others.
void gfpurge(P* pp) {
  gfree_lock.lock();
  while (G* gp = pop(&pp->gfree)) {
    gp->schedlink = gfree_lists[0];
    gfree_lists[0] = gp;
    ++gfree_count;
  }
  pp->gfree_count = 0;
  gfree_lock.unlock();
}

void gfree_before_fork() {
  gfree_lock.lock();
  allg_lock.lock();
}

void gfree_after_fork() {
  allg_lock.unlock();
  gfree_lock.unlock();
}

}  // namespace reprise::rt
