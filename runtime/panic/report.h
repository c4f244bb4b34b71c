// Reports about goroutines, on stderr: the header line of each and its stack.
//
// Thread safety: one report at a time (fatal.cc). REQUIRES: on g0, other goroutines standing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/panic/traceback.h"
#include "runtime/sched/g_m_p.h"

namespace reprise::rt {

// Writes to stderr without buffers and without the heap.
void report_text(std::string_view text);

// "goroutine 7 [state]:" and its stack, from its saved context or from `start`.
void report_goroutine(const G* gp, std::string_view state, const Registers* start = nullptr);
// The same of a stack that is gone: return addresses, innermost first.
void report_goroutine_at(const G* gp, std::span<const uint64_t> pcs);
// The goroutine that called, if any.
void report_current();
// The stack of a goroutine that runs on another thread; no registers: not known.
struct RunningStack {
  const Registers* registers = nullptr;
  StackBounds bounds;
};
// Every goroutine that is alive, but for `except`; `stack_of` may know those that run.
void report_all(const G* except, RunningStack (*stack_of)(const G*) = nullptr);

}  // namespace reprise::rt
