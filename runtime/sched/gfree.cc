// Free goroutines: a G and its stack, used again together.
//
// The G lies at the top of its stack, so that a parked goroutine costs one page, and below it the
// argument that newproc_begin() makes room for. Successive stacks are coloured: their tops differ
// by some cache lines, or all goroutines would compete for the same sets of the first-level cache.
//
// Free goroutines of the default size wait at the P (its owner's, no lock), others and surplus ones
// in lists by class (LockRank::gfree); between the two they move by batches, since where one P starts goroutines that
// another ends, all of them do. Beyond kKeepPages free ones an idle stack gives its pages
// back, all but the top one; a canary does not survive that, so stacks without a guard keep theirs.
#include <cstddef>
#include <new>

#include "runtime/mem/stack.h"
#include "runtime/sched/here.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

namespace {

constexpr int32_t kLocalMax = 1024;
constexpr int32_t kGiven = 256;  // of a P that has too many, to the common list
constexpr int32_t kTaken = 32;   // from there, by a P that has none
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

// What the next start will write, which another P may have written last.
void expect_start_of(const G* gp) {
  if (gp == nullptr) return;
  constexpr size_t kWritten = offsetof(G, locked_count);
  for (size_t line = 0; line < kWritten; line += 64) __builtin_prefetch(reinterpret_cast<const char*>(gp) + line, 1);
}

G* take_here(P* pp) {
  --pp->gfree_count;
  G* gp = pop(&pp->gfree);
  expect_start_of(pp->gfree);
  return gp;
}

void put_here(P* pp, G* gp) {
  gp->schedlink = pp->gfree;
  pp->gfree = gp;
  ++pp->gfree_count;
}

// A chain of `count` goroutines, first to last.
void put_common(int size_class, G* first, G* last, int32_t count) {
  gfree_lock.lock();
  gfree_count += static_cast<uint64_t>(count);
  const bool keep = gfree_count <= kKeepPages && size_class == 0;
  gfree_lock.unlock();
  for (G* gp = first; !keep; gp = gp->schedlink) {
    if (gp->ctx.stack_guard != gp->ctx.stack_lo) stack_release(gp->ctx.stack_lo, gp->ctx.stack_hi);
    if (gp == last) break;
  }
  gfree_lock.lock();
  last->schedlink = gfree_lists[size_class];
  gfree_lists[size_class] = first;
  gfree_lock.unlock();
}

void give_some(P* pp) {
  G* const first = pp->gfree;
  G* last = first;
  for (int32_t i = 1; i < kGiven; ++i) last = last->schedlink;
  pp->gfree = last->schedlink;
  pp->gfree_count -= kGiven;
  put_common(0, first, last, kGiven);
}

// Null if there is none. More than that one are for pp, if it may have some.
G* take_common(int size_class, P* pp) {
  gfree_lock.lock();
  G* gp = pop(&gfree_lists[size_class]);
  if (gp != nullptr) --gfree_count;
  for (int32_t i = 1; pp != nullptr && i < kTaken && gfree_lists[size_class] != nullptr; ++i) {
    put_here(pp, pop(&gfree_lists[size_class]));
    --gfree_count;
  }
  gfree_lock.unlock();
  return gp;
}

}  // namespace

G* gfget(size_t stack_bytes) {
  const int size_class = stack_class(stack_bytes);
  if (size_class < 0) gopanic("go: stack size out of range");
  P* const pp = size_class == 0 ? p_here() : nullptr;
  if (pp != nullptr && pp->gfree != nullptr) return take_here(pp);
  G* gp = take_common(size_class, pp);
  return gp != nullptr ? gp : malg(size_class);
}

void gfput(G* gp) {
  const int size_class = stack_class(gp->stack_bytes);
  P* const pp = size_class == 0 ? p_here() : nullptr;
  if (pp == nullptr) return put_common(size_class, gp, gp, 1);
  put_here(pp, gp);
  if (pp->gfree_count > kLocalMax) give_some(pp);
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
