// What <reprise/gc.h> calls of the collector.
//
// Thread safety: as stated there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "runtime/mem/mspan.h"
#include "runtime/type/type.h"

namespace reprise::rt {

// Zeroed memory for a T whose span class is known; null on threads that are no goroutine's (mem/mallocgc.h).
void* gc_new(SpanClass spanclass, const Type* type);
template <uint8_t Class>
void* gc_new_of(const Type* type);
// Zeroed memory for a T that `type` describes, or for an array of them. REQUIRES: a goroutine.
void* gc_alloc(size_t bytes, size_t alignment, const Type* type);

// Calls f() here if this is a goroutine, else on a goroutine made for it, and waits for that. Fatal on the scheduler's stack.
void gc_run_on_goroutine(void (*f)(void*), void* arg);
bool gc_on_a_goroutine();
template <class F>
void gc_on_goroutine(F&& f) {
  if (gc_on_a_goroutine()) [[likely]] return f();
  gc_run_on_goroutine([](void* arg) { (*static_cast<std::remove_reference_t<F>*>(arg))(); }, &f);
}

void gc_collect();
int32_t gc_set_percent(int32_t percent);
int64_t gc_set_memory_limit(int64_t bytes);
uint32_t gc_cycles();

}  // namespace reprise::rt
