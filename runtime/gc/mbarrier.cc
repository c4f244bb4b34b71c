// The write barrier's slow path, and registration.
//
// Invariant: what is in a P's buffer, or in foreign_work, was shaded and not looked at yet; marking is over only when all of them
// are empty while the world is stopped.
#include "runtime/gc/mbarrier.h"

#include "runtime/gc/gc.h"
#include "runtime/gc/mfinal.h"
#include "runtime/gc/roots.h"
#include "runtime/sched/here.h"
#include "runtime/sched/lock.h"
#include "runtime/sched/proc.h"

namespace reprise::rt {

constinit std::atomic<uint8_t> gc_barrier_on{0};
GcSeeded gc_seeded_for_test;

namespace {

constinit Lock foreign_lock{LockRank::gc_foreign};
GcWork foreign_work;  // foreign_lock: of threads without a P

// The flag again, under the lock that it changes under: a thread that nobody stops may come late.
void shade_from_outside(uintptr_t old_value, uintptr_t new_value) {
  foreign_lock.lock();
  if (gc_barrier_on.load(std::memory_order_relaxed) != 0) {
    gc_shade(old_value, &foreign_work);
    gc_shade(new_value, &foreign_work);
  }
  foreign_lock.unlock();
}

void remember(GcP* gcp, uintptr_t value) {
  if (!in_heap_arena(value)) return;
  if (gcp->shaded_count == GcP::kShaded) gc_flush_shaded(gcp);
  gcp->shaded[gcp->shaded_count++] = value;
}

}  // namespace

GcP* gc_p() {
  const P* const pp = p_here();
  return pp != nullptr ? static_cast<GcP*>(pp->gc) : nullptr;
}

// A loop of stores that must be shaded is mostly here, where no signal interrupts it: so it gives way here.
void gc_barrier_slow(void* old_value, void* new_value) {
  auto old_word = reinterpret_cast<uintptr_t>(old_value);
  auto new_word = reinterpret_cast<uintptr_t>(new_value);
  if (gc_seeded_for_test.no_deletion_barrier) old_word = 0;
  if (gc_seeded_for_test.no_insertion_barrier) new_word = 0;
  GcP* const gcp = gc_p();
  if (gcp == nullptr) return shade_from_outside(old_word, new_word);
  remember(gcp, old_word);
  remember(gcp, new_word);
  if ((seam_attention.load(std::memory_order_relaxed) & kAttendPreempt) != 0) preempt_point_on_thread();
}

void gc_flush_shaded(GcP* gcp) {
  for (uint32_t i = 0; i < gcp->shaded_count; ++i) gc_shade(gcp->shaded[i], &gcp->work);
  gcp->shaded_count = 0;
}

bool gc_flush_foreign(GcWork* work) {
  foreign_lock.lock();
  bool any = false;
  while (const uintptr_t object = foreign_work.empty() ? 0 : foreign_work.get()) {
    work->put(object);
    any = true;
  }
  gc_flush_counts(&foreign_work);
  foreign_lock.unlock();
  return any;
}

void gc_set_barrier(bool on) {
  foreign_lock.lock();
  gc_barrier_on.store(on ? 1 : 0, std::memory_order_relaxed);
  foreign_lock.unlock();
}

void gc_before_fork_last() {
  specials_before_fork();
  foreign_lock.lock();
  work_before_fork();
}

void gc_after_fork_first(bool in_child) {
  work_after_fork();
  if (in_child) {
    foreign_work.forget();
    roots_after_fork_in_child();
  }
  foreign_lock.unlock();
  specials_after_fork();
}

void gc_root_made(void** slot, void* value) {
  *slot = value;
  roots_add(slot);
  gc_barrier(nullptr, value);
}

void gc_root_gone(void** slot) {
  gc_barrier(*slot, nullptr);
  roots_remove(slot);
}

}  // namespace reprise::rt
