// What the classic kernels share: threads, an assertion, and a plain variable that the scheduler sees.
//
// A kernel is a function `void name(bool fixed)`: with false it has its bug, with true it is the correct
// twin. It may be the whole of a program (main.cc) or the body of an exploration; it keeps all its
// state in its frame, so that a second call starts afresh.
//
// Racy<T> stands for a plain shared variable, and is one in the checked flavour, where the compiler makes each
// access a scheduling point. In plain code a Racy announces each access itself, as memory_read or
// memory_write, and keeps its value in a relaxed atomic, so that a native run is defined.
//
// Thread safety: Racy's accesses order nothing; in plain code they are atomic. Threads belongs to one goroutine.
#pragma once

#include <reprise/detail/seam_hook.h>
#include <reprise/go.h>
#include <reprise/panic.h>
#include <reprise/sync.h>

#include <atomic>
#include <utility>

namespace kernels {

// The program's own assertion: a panic.
inline void require(bool holds, const char* claim) {
  if (!holds) reprise::panic(claim);
}

#ifdef REPRISE_CHECKED
// Volatile, so that what is read after a write is what is there: compilers may assume that nobody else wrote.
template <class T>
class Racy {
 public:
  explicit Racy(T value = T{}) : value_(value) {}
  T read() const { return value_; }
  void write(T value) { value_ = value; }

 private:
  volatile T value_;
};
#else
template <class T>
class Racy {
 public:
  explicit Racy(T value = T{}) : value_(value) {}

  T read() const {
    announce(reprise::seam::OpKind::memory_read, false);
    return value_.load(std::memory_order_relaxed);
  }
  void write(T value) {
    announce(reprise::seam::OpKind::memory_write, true);
    value_.store(value, std::memory_order_relaxed);
  }

 private:
  void announce(reprise::seam::OpKind op, bool write) const {
    if (!reprise::rt::seam_active) return reprise::rt::preempt_point();
    reprise::rt::seam_point(op, reprise::seam::ObjectId{name_.get(), 0}, write);
  }

  std::atomic<T> value_;
  reprise::rt::ObjectName name_;
};
#endif

// The threads of a kernel. Whoever destroys it has joined them.
class Threads {
 public:
  template <class F>
  void start(F body) {
    running_.add(1);
    reprise::go([body = std::move(body), running = running_]() mutable {
      body();
      running.done();
    });
  }
  ~Threads() { running_.wait(); }

 private:
  reprise::WaitGroup running_;
};

}  // namespace kernels
