// A runtime lock for an object that has no room for one: chosen by address from a fixed table, as
// the roots of semaphores are. Objects may share a lock, which only costs waiting.
//
// Thread safety: any goroutine or g0. Never hold two of them, nor one across anything that might
// take another.
#pragma once

#include <cstdint>

#include "runtime/sched/lock.h"

namespace reprise::rt {

Lock& hashed_lock(const void* object);

// Holds the lock of an object for a scope.
class HashedLockGuard {
 public:
  explicit HashedLockGuard(const void* object) : lock_(hashed_lock(object)) { lock_.lock(); }
  ~HashedLockGuard() { lock_.unlock(); }
  HashedLockGuard(const HashedLockGuard&) = delete;
  HashedLockGuard& operator=(const HashedLockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace reprise::rt
