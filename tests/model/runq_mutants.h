// Variants of functions of runtime/sched/runq.h with one bug each, for the explorer to find.
#pragma once

#include "tests/model/runq_types.h"

namespace reprise::model {

// runqgrab that reads the slots after it has moved head: the owner may have reused them.
template <class P>
void steal_reading_late(P* thief, P* victim) {
  (void)thief;
  uint32_t head = victim->runqhead.load(Order::acquire);
  const uint32_t tail = victim->runqtail.load(Order::acquire);
  const uint32_t count = (tail - head + 1) / 2;
  if (count == 0 || count > kRing / 2) return;
  const uint32_t first = head;
  if (!victim->runqhead.compare_exchange_strong(head, head + count, Order::release,
                                                Order::relaxed)) {
    return;
  }
  for (uint32_t i = 0; i < count; ++i) take(rt::runq_slot(victim, first + i).load(Order::relaxed));
}

// runqgrab that stores head.
template <class P>
void steal_without_exchange(P* thief, P* victim) {
  (void)thief;
  const uint32_t head = victim->runqhead.load(Order::acquire);
  const uint32_t tail = victim->runqtail.load(Order::acquire);
  const uint32_t count = (tail - head + 1) / 2;
  if (count == 0 || count > kRing / 2) return;
  ModelG* taken[kRing];
  for (uint32_t i = 0; i < count; ++i) {
    taken[i] = rt::runq_slot(victim, head + i).load(Order::relaxed);
  }
  victim->runqhead.store(head + count, Order::release);
  for (uint32_t i = 0; i < count; ++i) take(taken[i]);
}

// runqget's first half with a load and a store.
template <class P>
ModelG* get_runnext_unguarded(P* pp) {
  ModelG* next = pp->runnext.load(Order::acquire);
  if (next != nullptr) pp->runnext.store(nullptr, Order::release);
  return next;
}

// runqsteal that publishes its tail, then fills the slots.
template <class P>
ModelG* steal_publishing_early(P* pp, P* victim) {
  uint32_t head = victim->runqhead.load(Order::acquire);
  const uint32_t count = kRing / 2;
  ModelG* taken[count];
  for (uint32_t i = 0; i < count; ++i) {
    taken[i] = rt::runq_slot(victim, head + i).load(Order::relaxed);
  }
  if (!victim->runqhead.compare_exchange_strong(head, head + count, Order::release,
                                                Order::relaxed)) {
    return nullptr;
  }
  const uint32_t tail = pp->runqtail.load(Order::relaxed);
  pp->runqtail.store(tail + count - 1, Order::release);
  for (uint32_t i = 0; i + 1 < count; ++i) {
    rt::runq_slot(pp, tail + i).store(taken[i], Order::relaxed);
  }
  return taken[count - 1];
}

// runqempty without the second look at tail.
template <class P>
bool empty_at_a_glance(const P* pp) {
  const uint32_t head = pp->runqhead.load(Order::acquire);
  const uint32_t tail = pp->runqtail.load(Order::acquire);
  return head == tail && pp->runnext.load(Order::acquire) == nullptr;
}

}  // namespace reprise::model
