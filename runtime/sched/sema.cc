// semacquire and semrelease over a table of roots.
//
// A root is found by a hash of the address; it holds a treap of the addresses that somebody waits on,
// each with its queue. Priorities are hashes of the address, so no random numbers are drawn. Which
// root and which place in the treap decide only where a queue is looked for: nothing iterates over a
// root, so no order that a program can see depends on an address. Waiters of one address stand in
// line in order of arrival, but for those that asked to go to its front.
//
// Invariants, under root.lock:
//   An address is in the treap at most once, by the first sudog of its queue (the head).
//   The head alone carries `tail`, `left` and `right`; whoever becomes head takes them over.
//   Left of a node are lower addresses, right of it higher ones; no child's priority is higher.
//   nwait counts the sudogs of the root, and those about to be queued.
//
// Who waits and who is woken, and why no wake-up is lost, is in sema_protocol.h; this file has the
// roots and their queues.
//
// Other than the reference's treap, insertion and removal are by split and join: no parent links.
#include "runtime/sched/sema.h"

#include "runtime/boot/boot.h"
#include "runtime/chan/sudog.h"
#include "runtime/chan/wake.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/proc.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/sema_protocol.h"

namespace reprise::rt {

namespace {

using Word = std::atomic<uint32_t>;

constexpr size_t kRoots = 1021;  // prime

struct alignas(64) SemaRoot {
  Lock lock{LockRank::sema_root};
  std::atomic<uint32_t> nwait{0};
  Sudog* treap = nullptr;  // heads, linked by left and right; lock

  Sudog** find(const void* addr);
  void queue(Sudog* sg, bool lifo);
  Sudog* dequeue(const void* addr);

 private:
  void insert(Sudog* sg);
  void replace_head(Sudog** link, Sudog* head, Sudog* next_head);
  void unlink(Sudog** link, Sudog* sg);
};

constinit SemaRoot roots[kRoots];

SemaRoot& semroot(const void* addr) {
  return roots[(reinterpret_cast<uintptr_t>(addr) >> 3) % kRoots];
}

// Finalizer of splitmix64: neighbouring addresses get unrelated priorities.
uint64_t priority(const void* addr) {
  uint64_t x = reinterpret_cast<uintptr_t>(addr);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The link that points to the head for addr, or the one where it would be.
Sudog** SemaRoot::find(const void* addr) {
  Sudog** link = &treap;
  while (*link != nullptr && (*link)->sema != addr) {
    link = addr < (*link)->sema ? &(*link)->left : &(*link)->right;
  }
  return link;
}

// Splits what hangs at `node` into lower and higher addresses than addr, which is not among them.
void split(Sudog* node, const void* addr, Sudog** lower, Sudog** higher) {
  while (node != nullptr) {
    if (node->sema < addr) {
      *lower = node;
      lower = &node->right;
      node = node->right;
    } else {
      *higher = node;
      higher = &node->left;
      node = node->left;
    }
  }
  *lower = *higher = nullptr;
}

// Joins two treaps, all of one's addresses below all of the other's, at *link.
void join(Sudog* lower, Sudog* higher, Sudog** link) {
  while (lower != nullptr && higher != nullptr) {
    if (priority(lower->sema) > priority(higher->sema)) {
      *link = lower;
      link = &lower->right;
      lower = lower->right;
    } else {
      *link = higher;
      link = &higher->left;
      higher = higher->left;
    }
  }
  *link = lower != nullptr ? lower : higher;
}

// REQUIRES: nobody is there for the address.
void SemaRoot::insert(Sudog* sg) {
  const uint64_t mine = priority(sg->sema);
  Sudog** link = &treap;
  while (*link != nullptr && priority((*link)->sema) >= mine) {
    link = sg->sema < (*link)->sema ? &(*link)->left : &(*link)->right;
  }
  split(*link, sg->sema, &sg->left, &sg->right);
  *link = sg;
}

void SemaRoot::queue(Sudog* sg, bool lifo) {
  Sudog** link = find(sg->sema);
  Sudog* head = *link;
  sg->tail = sg->left = sg->right = nullptr;
  if (head == nullptr) {
    sg->tail = sg;
    insert(sg);
  } else if (lifo) {
    sg->next = head;
    head->prev = sg;
    sg->tail = head->tail;
    replace_head(link, head, sg);
  } else {
    sg->prev = head->tail;
    head->tail->next = sg;
    head->tail = sg;
  }
}

// Puts next_head, whose tail is set, where head was.
void SemaRoot::replace_head(Sudog** link, Sudog* head, Sudog* next_head) {
  next_head->left = head->left;
  next_head->right = head->right;
  *link = next_head;
}

void SemaRoot::unlink(Sudog** link, Sudog* sg) {
  Sudog* head = *link;
  if (sg == head && sg->next == nullptr) {
    join(sg->left, sg->right, link);
  } else if (sg == head) {
    sg->next->tail = sg->tail;
    replace_head(link, sg, sg->next);
  } else if (sg == head->tail) {
    head->tail = sg->prev;
  }
  if (sg->prev != nullptr) sg->prev->next = sg->next;
  if (sg->next != nullptr) sg->next->prev = sg->prev;
  sg->next = sg->prev = nullptr;
}

Sudog* SemaRoot::dequeue(const void* addr) {
  Sudog** link = find(addr);
  Sudog* sg = choose_waiter(*link);
  if (sg != nullptr) unlink(link, sg);
  return sg;
}

}  // namespace

void semacquire1(Word* addr, bool lifo, WaitReason reason) {
  if (cansemacquire(addr)) return;
  if (on_foreign_thread()) return on_goroutine([=] { semacquire1(addr, lifo, reason); });
  SemaRoot& root = semroot(addr);
  Sudog sg;
  sg.g = curg();
  sg.sema = addr;
  sg.g->waiting = &sg;
  semacquire_on(root, addr, &sg, lifo, [&] { goparkunlock(&root.lock, reason); });
  sg.g->waiting = nullptr;
}

void semrelease1(Word* addr, bool handoff) {
  const auto woken = semrelease_on(semroot(addr), addr, handoff);
  if (woken.gp == nullptr) return;
  goready(woken.gp);
  // Its turn now, as it holds what everybody waits for. A policy decides that for itself, and a thread that
  // runs no goroutine has no turn to give.
  if (woken.handed_off && !seam_active && !on_foreign_thread()) gosched();
}

// The counters are hints: a spin too many or too few costs nanoseconds.
bool sync_can_spin(int iter) {
  constexpr int kActiveSpins = 4;
  if (iter >= kActiveSpins || seam_active || ncpu() <= 1) return false;
  const int32_t others = sched.nprocs.load(std::memory_order_relaxed) -
                         sched.wakeup.npidle.load(std::memory_order_relaxed) -
                         sched.wakeup.nmspinning.load(std::memory_order_relaxed) - 1;
  const P* pp = getp();
  return others > 0 && pp != nullptr && runqempty(pp);
}

// As many pauses in all as the reference's four times thirty, but each look after twice as many as the one before: looks at
// equal distances all meet a held lock if its holder comes back to it in about that time (thirty pauses are 740 ns on
// an AMD EPYC), and the first ones come soon enough for locks that are held briefly.
void sync_do_spin(int iter) {
  constexpr int kFirstPauses = 8;
  for (int i = 0; i < kFirstPauses << iter; ++i) __builtin_ia32_pause();
}

}  // namespace reprise::rt
