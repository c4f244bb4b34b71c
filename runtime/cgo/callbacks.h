// How many callbacks from C run on goroutines' own stacks: these stacks have frames of C's in between, which lie elsewhere.
//
// Thread safety: any thread. A goroutine asks on behalf of itself, so its own counts are those that it must see: relaxed.
#pragma once

#include <atomic>
#include <cstdint>

namespace reprise::rt {

extern std::atomic<uint32_t> cgo_callbacks;

}  // namespace reprise::rt
