// go: starts a goroutine. yield, goexit, and threads: what a goroutine may say about itself.
//
//   reprise::go([=] { serve(connection); });
//
// A goroutine runs on a stack of its own, 256 KiB of address space unless GoOptions says otherwise;
// memory is used as the stack is touched. The function object is moved onto that stack: starting a
// goroutine allocates nothing else. An exception that leaves the function ends the process as a
// panic does.
//
// Thread safety: call these from goroutines. Before the runtime is up (static constructors) they are
// a fatal error.
#pragma once

#include <reprise/errno.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "runtime/sched/proc.h"

namespace reprise {

struct GoOptions {
  size_t stack_bytes = 0;  // address space; 0: 256 KiB. Rounded up to a power of two
};

// Runs f() on a new goroutine. A scheduling point. Does not block. Always inlined, so that the place
// that tracebacks and policies are told is the caller's.
template <class F>
[[gnu::always_inline]] inline void go(GoOptions options, F&& f) {
  using Fn = std::decay_t<F>;
  static_assert(std::is_invocable_v<Fn&>, "go() takes a function object without arguments");
  rt::G* gp = rt::newproc_begin(sizeof(Fn), alignof(Fn), {.stack_bytes = options.stack_bytes});
  if constexpr (std::is_nothrow_constructible_v<Fn, F>) {
    new (gp->entry_arg) Fn(std::forward<F>(f));
  } else {
    try {
      new (gp->entry_arg) Fn(std::forward<F>(f));
    } catch (...) {
      rt::newproc_abandon(gp);
      throw;
    }
  }
  rt::newproc_start(gp, [](void* arg) {
    struct Destroy {
      Fn* fn;
      ~Destroy() { fn->~Fn(); }
    } owned{static_cast<Fn*>(arg)};
    (*owned.fn)();
  }, [](void* arg) { static_cast<Fn*>(arg)->~Fn(); });
}

template <class F>
[[gnu::always_inline]] inline void go(F&& f) {
  go(GoOptions{}, std::forward<F>(f));
}

// Lets other goroutines run; this one stays runnable. A scheduling point.
inline void yield() { rt::gosched(); }

// Ends the current goroutine after running its destructors. From main: the others go on.
[[noreturn]] inline void goexit() { rt::goexit(); }

// From now until as many unlock_os_thread() this goroutine runs on one thread, on which nothing else
// runs: the one that it is on, but in controlled runs another one. A goroutine that ends locked takes
// its thread along.
inline void lock_os_thread() { rt::lock_os_thread(); }
inline void unlock_os_thread() { rt::unlock_os_thread(); }

// How many goroutines may run at once, as the program sees it; n > 0 sets it. Returns the old value.
inline int gomaxprocs(int n = 0) { return rt::gomaxprocs(n); }
// Goroutines alive, the caller included.
inline uint64_t num_goroutine() { return rt::num_goroutine(); }

}  // namespace reprise
