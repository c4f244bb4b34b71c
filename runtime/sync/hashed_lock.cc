// The table of hashed locks. Each on a cache line of its own.
#include "runtime/sync/hashed_lock.h"

#include <cstddef>

namespace reprise::rt {

namespace {

constexpr size_t kLocks = 251;  // prime

struct alignas(64) Line {
  Lock lock{LockRank::notify_list};
};
constinit Line lines[kLocks];

}  // namespace

Lock& hashed_lock(const void* object) {
  return lines[(reinterpret_cast<uintptr_t>(object) >> 3) % kLocks].lock;
}

}  // namespace reprise::rt
