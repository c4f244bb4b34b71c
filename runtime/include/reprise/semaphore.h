// Semaphore: a counted resource of which goroutines take and give back portions.
//
// First come, first served: a large request that does not fit makes later small ones wait, so it
// cannot starve. A policy may choose otherwise among those that fit.
//
// Thread safety: any goroutine. Ownership: a plain member, neither copyable nor movable.
#pragma once

#include <cstdint>

#include <reprise/detail/seam_hook.h>

namespace reprise::rt {
struct Sudog;
}

namespace reprise {

class Context;

class Semaphore {
 public:
  constexpr explicit Semaphore(int64_t size) : free_(size), size_(size) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Blocks the goroutine until n are free and takes them. More than the size blocks for ever.
  void acquire(int64_t n = 1);
  // The same until the context is done: then false, and nothing was taken.
  bool acquire(const Context& ctx, int64_t n = 1);
  // Takes n if they are free and nobody waits.
  bool try_acquire(int64_t n = 1);
  // Panics if more is given back than was taken.
  void release(int64_t n = 1);

 private:
  bool take_or_enqueue(rt::Sudog* sg);
  bool withdraw(rt::Sudog* sg);
  void unlink(rt::Sudog* sg);

  int64_t free_;
  const int64_t size_;
  rt::Sudog* first_ = nullptr;  // waiters in order of arrival
  rt::Sudog* last_ = nullptr;
  rt::ObjectName name_;
};

}  // namespace reprise
