// Sudog: a goroutine on a wait queue (the reference's sudog).
//
// A goroutine may wait on many objects at once and many may wait on one, hence a record for each
// pair. Stacks do not move here, so a sudog lives on the stack of the goroutine that waits: the
// wait needs no allocation, and ends before the frame does. Whoever takes a sudog off its queue
// must be done with it before goready() on its goroutine.
//
// All fields are guarded by the lock of the object waited for, except as noted.
#pragma once

#include <cstdint>

#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

struct hchan;

struct Sudog {
  G* g = nullptr;
  Sudog* next = nullptr;
  Sudog* prev = nullptr;
  void* elem = nullptr;      // channels: where the element is, or goes; may point into g's stack
  hchan* c = nullptr;
  Sudog* waitlink = nullptr; // g->waiting list; owner
  bool is_select = false;    // g->select_done must be won before waking g
  bool queued = false;       // on a queue of the object
  bool parked = false;       // conditions: g must be readied; else it has yet to look at success
  bool success = false;      // channels: an element was passed; false: woken by close
  bool handed_off = false;   // semaphores: the releaser took the token for us

  const void* sema = nullptr;  // what is waited for if not a channel
  int64_t weight = 0;        // Semaphore: how much is asked for

  // The semaphores of sched/sema.h: the first waiter of an address heads its queue and is linked into the root's treap.
  // SemaRoot::queue() sets them. Not before: every wait would pay for it, by a string instruction that is slow to start.
  Sudog* tail;
  Sudog* left;
  Sudog* right;
};

}  // namespace reprise::rt
