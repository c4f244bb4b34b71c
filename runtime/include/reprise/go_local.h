// GoLocal: a variable of which each goroutine has its own, as each thread has of a thread_local.
//
//   reprise::GoLocal<std::string> user;
//   *user = "ada";                                     // this goroutine's
//   reprise::GoLocal<int> budget([] { return 100; });  // with an initial value
//
// A goroutine may go on on another thread after anything that can wait, so a thread_local read before
// and after such a call may be two variables, and a compiler may keep the address of one across it. Use
// GoLocal for what belongs to the goroutine; use lock_os_thread() where C code insists on a thread_local.
//
// Thread safety: any goroutine; each touches its own value. Only on goroutines: elsewhere a fatal error.
// Ownership: the value is made at the goroutine's first use and destroyed when the goroutine ends, after
// its function returned, latest made first; destructors may wait. The GoLocal must outlive the last use;
// it is meant for static storage. A value's address stays the same.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "runtime/sched/locals.h"

namespace reprise {

template <class T>
class GoLocal {
 public:
  GoLocal()
    requires std::is_default_constructible_v<T>
  = default;
  // Calls init() for each goroutine's first use.
  explicit GoLocal(std::function<T()> init) : init_(std::move(init)) {}
  GoLocal(const GoLocal&) = delete;
  GoLocal& operator=(const GoLocal&) = delete;

  T& get() {
    if (void* value = rt::local_find(key_)) return *static_cast<T*>(value);
    return make();
  }
  T& operator*() { return get(); }
  T* operator->() { return &get(); }

 private:
  T& make() {
    std::unique_ptr<T> value;
    if (init_) {
      value.reset(new T(init_()));
    } else if constexpr (std::is_default_constructible_v<T>) {
      value.reset(new T());
    }
    rt::local_set(key_, value.get(), [](void* v) { delete static_cast<T*>(v); });
    return *value.release();
  }

  const uint32_t key_ = rt::new_local_key();
  const std::function<T()> init_;
};

}  // namespace reprise
