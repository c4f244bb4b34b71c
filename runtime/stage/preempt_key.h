// What tells one execution of an instruction of counted code from another.
//
// Thread safety: pure functions, but for reading the program's text, which the caller knows is there.
#pragma once

#include <ucontext.h>

#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::stage {

inline constexpr uint64_t kProgramFlags = 0xcd5;  // carry, parity, adjust, zero, sign, direction, overflow

// `pc` may differ from the context's. Vector registers count by their values: state that the CPU
// believes untouched is the same as zeros.
tape::PreemptKey key_of(const ucontext_t* context, uint64_t pc);

// All but the flags.
bool same_key(const tape::PreemptKey& a, const tape::PreemptKey& b);

// A string instruction with a repeat prefix: its length, else 0.
uint32_t repeated_string_bytes(const uint8_t* code);

}  // namespace reprise::stage
