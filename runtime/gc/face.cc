// Allocation for <reprise/gc.h>: where a goroutine is needed one is borrowed.
#include "runtime/gc/face.h"

#include "runtime/mem/mallocgc.h"
#include "runtime/sched/foreign.h"
#include "runtime/sched/sched.h"

namespace reprise::rt {

void* gc_alloc(size_t bytes, size_t alignment, const Type* type) {
  return alignment > 8 ? mallocgc_aligned(bytes, alignment, type, true) : mallocgc(bytes, type, true);
}

bool gc_on_a_goroutine() {
  const G* gp = getg();
  return gp != nullptr && gp == curg();
}

void gc_run_on_goroutine(void (*f)(void*), void* arg) {
  if (!on_foreign_thread()) require_goroutine("gc::make");
  run_on_goroutine(f, arg);
}

}  // namespace reprise::rt
