// What belongs to single objects: finalizers and weak pointers (the reference's specials).
//
// A special hangs at its object's span, in order of address, and in a list of all in the order in which they were made. Before
// a span is swept those of unmarked objects fall due: weak pointers are cleared first, then a finalizer keeps its object, and
// what it points to, alive for one more cycle and is queued. So a weak pointer never leads to an object whose finalizer
// was queued. Queued finalizers run on one goroutine, in the order in which they were set, after the sweep.
//
// Thread safety: any thread that has a P or shades from outside; one lock (LockRank::gc_specials). Nothing here allocates from
// the collected heap.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/gc/mgcwork.h"
#include "runtime/mem/mspan.h"

namespace reprise::rt {

// run(closure, object) is called once, on the finalizer goroutine; drop(closure) destroys it, after run or instead.
struct Finalizer {
  void (*run)(void* closure, void* object) = nullptr;
  void (*drop)(void* closure) = nullptr;
  void* closure = nullptr;
};

// Replaces the finalizer of the object that `object` points into, or takes it away if run is null; the one before is dropped.
// Fatal, as in the reference, if it is not an object of the collected heap.
void gc_set_finalizer(void* object, Finalizer finalizer);

// What weak pointers to one address share. Counted; the last release frees it.
struct WeakCell {
  std::atomic<uint32_t> references{0};
  void* object = nullptr;    // gc_specials lock; null once the object is gone
  WeakCell* next = nullptr;  // free cells
};
// The cell of an address, which its object must still have: one for all weak pointers to it. The caller has a reference.
WeakCell* gc_weak_cell(void* object);
void gc_weak_acquire(WeakCell* cell);
void gc_weak_release(WeakCell* cell);
// The address, null if the object is gone or about to be.
void* gc_weak_get(WeakCell* cell);

// Tells heap_profile_freed() when the object is swept. REQUIRES: alive.
struct HeapBucket;
void gc_profile_object(void* object, HeapBucket* bucket);

// ---- for the collector ----
size_t specials_blocks();                               // of the list of all
void specials_scan(size_t block, GcWork* work);         // what objects with finalizers point to, and not they themselves
void specials_before_sweep(MSpan* s);                   // HeapHooks::before_sweep
void finalizers_start();                                // runs what is queued, on a goroutine
void finalizers_discard();                              // drops what is queued
void specials_before_fork();
void specials_after_fork();
uint64_t finalizers_run_for_test();
// ---- for whoever else follows pointers ----
// The closures of finalizers that may still run. REQUIRES: nobody else runs.
void finalizers_each_closure(void (*visit)(uintptr_t closure, void* arg), void* arg);

}  // namespace reprise::rt
