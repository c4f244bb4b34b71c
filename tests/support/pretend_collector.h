// A collector for tests of the allocator: the test says which objects live, and everything else is swept.
//
// While one exists the real collector starts no cycle, since what a test keeps in its own tables would be garbage to it.
#pragma once

#include <cstdint>

#include "runtime/mem/mallocgc.h"
#include "runtime/mem/mcache.h"
#include "runtime/mem/mcentral.h"
#include "runtime/mem/mheap.h"
#include "runtime/sched/native.h"
#include "runtime/sched/proc.h"

namespace reprise::test {

class PretendCollector {
 public:
  PretendCollector() : before_(rt::heap_hooks), trigger_(rt::mheap_.gc_trigger.exchange(UINT64_MAX)) {
    rt::heap_hooks = {};
  }
  ~PretendCollector() {
    rt::heap_hooks = before_;
    rt::mheap_.gc_trigger.store(trigger_);
  }
  PretendCollector(const PretendCollector&) = delete;
  PretendCollector& operator=(const PretendCollector&) = delete;

  // Marks an object, with the block that it shares.
  static void mark(const void* object) {
    rt::MSpan* const s = rt::span_of(object);
    s->setMarked(s->objIndex(reinterpret_cast<uintptr_t>(object)));
  }

  // `mark_all` marks what lives. What is not marked is there until its span is swept.
  template <class F>
  static void begin_sweep(F mark_all) {
    if (!rt::seam_active) rt::stop_the_world();
    finish_sweep();
    rt::flushallmcaches();
    mark_all();
    rt::mheap_.begin_sweep();
    if (!rt::seam_active) rt::start_the_world(rt::sched.nprocs.load());
  }
  static void finish_sweep() {
    while (rt::sweepone() != SIZE_MAX) {
    }
  }
  template <class F>
  static void collect(F mark_all) {
    begin_sweep(mark_all);
    finish_sweep();
  }

 private:
  rt::HeapHooks before_;
  uint64_t trigger_;
};

}  // namespace reprise::test
