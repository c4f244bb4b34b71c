// Stacks that C code runs on: what the reference's system stack is to cgo.
//
// A goroutine's own stack may be small, and its thread's is the scheduler's; so each call into C borrows one of these,
// and gives it back when it returns. They lie in one reserved range, each aligned to its size, so that a callback finds
// the call that it belongs to by its own stack pointer: the last bytes of a stack say which. 64 KiB at the low
// end are inaccessible. Pages stay committed for the next call.
//
// Thread safety: any thread; a lock for nanoseconds.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reprise::rt {

struct CgoCall;

inline constexpr size_t kCStackBytes = 8 << 20;

// A stack whose last word is `call`. Returns where to begin, downward. Fatal if there is none to be had.
void* cstack_get(CgoCall* call);
void cstack_put(void* top);

// The call whose stack `sp` lies in; null: it lies in none of these.
CgoCall* call_of_stack(const void* sp);

}  // namespace reprise::rt
