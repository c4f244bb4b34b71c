/* Calling C from goroutines, and goroutines from C.
 *
 *   int n = reprise::cgo::call([&] { return c_library_waits(handle); });     // on a goroutine
 *
 *   extern "C" void on_event(void* data) {                                   // C calls this, on any thread
 *     reprise::cgo::callback([&] { events.send(*static_cast<Event*>(data)); });
 *   }
 *
 * cgo::call is for C that blocks, or that needs more stack than a goroutine has (8 MiB here): other goroutines go on
 * meanwhile, which a plain call would hold up. cgo::callback is for code that C calls: inside a cgo::call, on a thread
 * that C made, or anywhere else; what it runs may do all that a goroutine may. A thread of C's that calls back gets
 * a goroutine of its own for each callback; cgo::call's own goroutine runs the others, and keeps its thread meanwhile.
 *
 * A panic in a callback leaves the callback, then C's frames, then the goroutine's; it may be recovered in each but
 * C's. C++ exceptions may cross neither border, and longjmp may not leave a callback or a cgo::call: fatal errors. In
 * recorded runs C runs where its goroutine runs, and waits of its threads for each other are scheduling points.
 *
 * Thread safety: call on goroutines, callback on any thread. Both block their caller. The C function is there for C.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* The same for callers in C. */
void reprise_cgocallback(void (*fn)(void*), void* arg);

#ifdef __cplusplus
}

#include <optional>
#include <type_traits>
#include <utility>

#include "runtime/cgo/cgo.h"

namespace reprise::cgo {

namespace detail {

// Calls f through `pass`, which takes a function and its argument, and returns what f does.
template <class F, class Pass>
auto through(F& f, Pass pass) {
  using R = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<R>) {
    pass([](void* arg) { (*static_cast<F*>(arg))(); }, &f);
  } else {
    struct Kept {
      F& f;
      std::optional<R> result;
    } kept{f, {}};
    pass([](void* arg) { static_cast<Kept*>(arg)->result.emplace(static_cast<Kept*>(arg)->f()); }, &kept);
    return std::move(*kept.result);
  }
}

struct Function {
  void (*fn)(void*);
  void* arg;
};

}  // namespace detail

template <class F>
auto call(F&& f) {
  return detail::through(f, [](void (*fn)(void*), void* arg) {
    detail::Function function{fn, arg};
    rt::cgocall(
        [](void* of) {
          static_cast<detail::Function*>(of)->fn(static_cast<detail::Function*>(of)->arg);
          return int32_t{0};
        },
        &function);
  });
}

template <class F>
auto callback(F&& f) {
  return detail::through(f, [](void (*fn)(void*), void* arg) { rt::cgocallback(fn, arg); });
}

}  // namespace reprise::cgo

#endif
