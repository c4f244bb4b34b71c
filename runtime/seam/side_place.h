// Where the side area (side.h) lies, and whether there is one: all that the stage knows of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/seam/tape.h"

namespace reprise::tape {

inline constexpr uint64_t kSideBase = kTapeBase + (uint64_t{32} << 30);

// Bytes of the side area; 0: there is none. A word of the control page, given the page's address.
inline constexpr size_t kSideWord = kControlBytes / 2 - 64;
static_assert(sizeof(Control) <= kSideWord);
inline uint64_t& side_bytes(void* control) {
  return *reinterpret_cast<uint64_t*>(static_cast<char*>(control) + kSideWord);
}
inline uint64_t side_bytes(const void* control) {
  return *reinterpret_cast<const uint64_t*>(static_cast<const char*>(control) + kSideWord);
}

}  // namespace reprise::tape
