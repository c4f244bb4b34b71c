// gc: objects that are freed when nothing points to them any more.
//
//   struct Node {
//     reprise::gc::Ptr<Node> left, right;
//     int value = 0;
//   };
//   REPRISE_GC_FIELDS(Node, left, right)          // optional: where the pointers are
//
//   auto root = reprise::gc::make<Node>();
//   root->left = reprise::gc::make<Node>();
//
// A concurrent collector (runtime/gc) finds what is reachable from goroutines' stacks, from Ptrs anywhere else (globals, members of
// ordinary objects, containers), and from there on through Ptr members of collected objects. Cycles are no problem. Rules:
//
//   - In collected objects and outside of stacks keep Ptr<T>, not T*. On a goroutine's stack a T* or T& keeps its object alive as
//     well, also one into the middle of it (stacks are scanned conservatively).
//   - Destructors of collected objects do not run. What must be released (a file, memory of malloc's: a std::vector or
//     std::string member) needs a finalizer: finalize_with_destructor(p) runs ~T().
//   - A container of malloc's that holds Ptrs is a root for as long as it lives, also inside a collected object: cycles
//     through it are never freed. make_array() makes collected arrays.
//   - A Ptr is shared like any variable: it needs a lock, a channel or the like between goroutines.
//   - Foreign threads may hold and copy Ptrs; there a T* keeps nothing alive.
//
// REPRISE_GC_FIELDS says which members of a type hold pointers, so that the others (hashes, floating point) are not taken
// for pointers by mistake. It is used in the global namespace, after the type. Without it any word may be one.
//
// GOGC (a percentage, or off) and GOMEMLIMIT (bytes, with KiB, MiB, GiB or TiB) are read at start as in Go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include "runtime/gc/face.h"
#include "runtime/gc/mbarrier.h"
#include "runtime/gc/mfinal.h"
#include "runtime/type/type_of.h"

namespace reprise::gc {

// A pointer to a collected object, to a part of one, or null. 8 bytes. Not trivially copyable: one that is neither on a stack nor in a
// collected object registers itself, and an assignment tells a cycle under way what it overwrites.
template <class T>
class Ptr {
 public:
  using element_type = T;

  Ptr() { init(nullptr); }
  Ptr(std::nullptr_t) { init(nullptr); }  // NOLINT: a null pointer converts, as everywhere
  // REQUIRES: null, or a collected object that something keeps alive meanwhile.
  explicit Ptr(T* object) { init(object); }
  Ptr(const Ptr& other) { init(other.object_); }
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ptr(const Ptr<U>& other) {  // NOLINT: as T* from U*
    init(other.get());
  }
  ~Ptr() {
    if (rt::gc_scanned_place(this)) [[likely]] {
      rt::gc_barrier(word(), nullptr);
    } else {
      rt::gc_root_gone(slot());
    }
  }

  Ptr& operator=(const Ptr& other) { return assign(other.object_); }
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ptr& operator=(const Ptr<U>& other) {
    return assign(other.get());
  }
  Ptr& operator=(std::nullptr_t) { return assign(nullptr); }
  Ptr& operator=(T* object) { return assign(object); }

  T* get() const { return object_; }
  T& operator*() const
    requires(!std::is_void_v<T>)
  {
    return *object_;
  }
  T* operator->() const { return object_; }
  template <class U = T>
    requires(!std::is_void_v<U>)
  U& operator[](size_t i) const {
    return object_[i];
  }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ptr& a, const Ptr& b) { return a.object_ == b.object_; }
  friend bool operator==(const Ptr& a, std::nullptr_t) { return a.object_ == nullptr; }

 private:
  void* word() const { return const_cast<std::remove_cv_t<T>*>(object_); }
  void** slot() { return reinterpret_cast<void**>(&object_); }

  void init(T* object) {
    if (rt::gc_scanned_place(this)) [[likely]] {
      object_ = object;
    } else {
      // In one call: between a store here and the registration a cycle could pass.
      rt::gc_root_made(slot(), const_cast<std::remove_cv_t<T>*>(object));
    }
  }
  // A plain store: aligned words are written whole, and markers may read either value.
  Ptr& assign(T* object) {
    rt::gc_barrier(word(), const_cast<std::remove_cv_t<T>*>(object));
    object_ = object;
    return *this;
  }

  T* object_;
};

namespace detail {

// Whether a T comes straight from the spans of its size, whose slots lie at multiples of their size from a page's start.
template <class T>
constexpr bool straight() {
  if (sizeof(T) > rt::kMaxSmallSize || (Pointers<T>::ptrdata == 0 && sizeof(T) < 16)) return false;
  return rt::kHeapClasses[rt::heap_size_class(sizeof(T))].bytes % alignof(T) == 0;
}

// Null where this is no goroutine.
template <class T>
void* allocate() {
  constexpr rt::SpanClass spanclass(rt::heap_size_class(sizeof(T)), Pointers<T>::ptrdata == 0);
  if constexpr (spanclass.index() < rt::kGcNewClasses) {
    return rt::gc_new_of<spanclass.index()>(rt::type_of<T>());
  } else {
    return rt::gc_new(spanclass, rt::type_of<T>());
  }
}

// Out of line: on a thread that is no goroutine's, or for a T that does not come straight from a span.
template <class T, class... Args>
[[gnu::noinline]] Ptr<T> make_elsewhere(Args&&... args) {
  Ptr<T> made;
  rt::gc_on_goroutine([&] {
    void* const memory = rt::gc_alloc(sizeof(T), alignof(T), rt::type_of<T>());
    made = new (memory) T(std::forward<Args>(args)...);
  });
  return made;
}

// Of memory that is zeros. A T without a constructor is the same bytes each time: where those of the first are zeros (which they are
// not for a pointer to a member), the others are there already.
template <class T>
void value_initialize(T* first, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    new (first + i) T();
    if constexpr (std::is_trivially_default_constructible_v<T> && std::is_trivially_copyable_v<T>) {
      static constexpr std::array<unsigned char, sizeof(T)> kZeros{};
      if (i == 0 && std::memcmp(first, kZeros.data(), sizeof(T)) == 0) return;
    }
  }
}

}  // namespace detail

// A new T, with pointers only where its type has them. Goroutine, or foreign thread (which waits for a goroutine to make it).
template <class T, class... Args>
Ptr<T> make(Args&&... args) {
  if constexpr (detail::straight<T>()) {
    if (void* const memory = detail::allocate<T>()) [[likely]] return Ptr<T>(new (memory) T(std::forward<Args>(args)...));
  }
  return detail::make_elsewhere<T>(std::forward<Args>(args)...);
}

// An array of n, value-initialised; points to the first. It does not know its length.
template <class T>
Ptr<T> make_array(size_t n) {
  Ptr<T> made;
  rt::gc_on_goroutine([&] {
    size_t bytes;
    if (__builtin_mul_overflow(n, sizeof(T), &bytes)) throw std::bad_array_new_length();
    auto* const first = static_cast<T*>(rt::gc_alloc(bytes, alignof(T), rt::type_of<T>()));
    detail::value_initialize(first, n);
    made = first;
  });
  return made;
}

// Calls f(object) once on a goroutine of the runtime's, some time after a cycle found that nothing else points to the object. f
// may store a pointer to it, which keeps it alive; it is freed when it is found unreachable again, without a call. Finalizers run
// one after another, in the order in which they were set. An object that its own members lead back to is never finalized
// if it has a finalizer. Replaces an earlier finalizer. At exit none are run.
template <class T, class F>
void set_finalizer(const Ptr<T>& object, F f) {
  using Fn = std::decay_t<F>;
  rt::gc_set_finalizer(const_cast<std::remove_cv_t<T>*>(object.get()),
                       {[](void* closure, void* at) {
                          Ptr<T> alive(static_cast<T*>(at));
                          (*static_cast<Fn*>(closure))(alive);
                        },
                        [](void* closure) { delete static_cast<Fn*>(closure); }, new Fn(std::move(f))});
}
template <class T>
void clear_finalizer(const Ptr<T>& object) {
  rt::gc_set_finalizer(const_cast<std::remove_cv_t<T>*>(object.get()), {});
}
template <class T>
void finalize_with_destructor(const Ptr<T>& object) {
  set_finalizer(object, [](const Ptr<T>& dead) { dead->~T(); });
}

// A pointer that keeps nothing alive: get() answers null from when the object was found unreachable, before its finalizer runs.
// Copies, and others made of an equal Ptr, are equal, also after that.
template <class T>
class Weak {
 public:
  Weak() = default;
  explicit Weak(const Ptr<T>& object)
      : cell_(object ? rt::gc_weak_cell(const_cast<std::remove_cv_t<T>*>(object.get())) : nullptr) {}
  Weak(const Weak& other) : cell_(other.cell_) {
    if (cell_ != nullptr) rt::gc_weak_acquire(cell_);
  }
  Weak(Weak&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  Weak& operator=(Weak other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Weak() {
    if (cell_ != nullptr) rt::gc_weak_release(cell_);
  }

  Ptr<T> get() const { return Ptr<T>(cell_ != nullptr ? static_cast<T*>(rt::gc_weak_get(cell_)) : nullptr); }
  friend bool operator==(const Weak& a, const Weak& b) { return a.cell_ == b.cell_; }

 private:
  rt::WeakCell* cell_ = nullptr;
};

// Runs a whole cycle that begins after the call, and sweeps; finalizers that fell due may still be running. Goroutine; parks.
inline void collect() { rt::gc_collect(); }
// The heap may grow by so many percent of what was alive after the last cycle before the next begins; negative: no cycles but
// for the memory limit. Returns the value before.
inline int set_percent(int percent) { return rt::gc_set_percent(percent); }
// Bytes of the collected heap that cycles try to stay below, INT64_MAX without; negative: changes nothing. Returns the one before.
inline int64_t set_memory_limit(int64_t bytes) { return rt::gc_set_memory_limit(bytes); }
// Cycles that have ended.
inline uint32_t cycles() { return rt::gc_cycles(); }

namespace detail {

constexpr size_t words(size_t bytes) { return bytes / sizeof(void*); }

template <size_t Words>
struct Mask {
  std::array<uint8_t, (Words + 7) / 8> bits{};
  size_t end = 0;  // words up to the last pointer

  constexpr void set(size_t word) {
    bits[word / 8] = static_cast<uint8_t>(bits[word / 8] | 1u << (word % 8));
    if (word + 1 > end) end = word + 1;
  }
  // What a member of type Field has, at its offset.
  template <class Field>
  constexpr void add(size_t offset) {
    using P = Pointers<Field>;
    for (size_t i = 0; i < words(P::ptrdata); ++i) {
      if (P::conservative || (P::mask[i / 8] >> (i % 8) & 1) != 0) set(words(offset) + i);
    }
  }
};

}  // namespace detail
}  // namespace reprise::gc

template <class T>
struct reprise::Pointers<reprise::gc::Ptr<T>> {
  static constexpr bool conservative = false;
  static constexpr size_t ptrdata = sizeof(void*);
  static constexpr uint8_t one = 1;
  static constexpr const uint8_t* mask = &one;
};

#define REPRISE_GC_ADD(T, field) made.template add<std::remove_cv_t<decltype(T::field)>>(__builtin_offsetof(T, field));
#define REPRISE_GC_EACH_1(T, a) REPRISE_GC_ADD(T, a)
#define REPRISE_GC_EACH_2(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_1(T, __VA_ARGS__)
#define REPRISE_GC_EACH_3(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_2(T, __VA_ARGS__)
#define REPRISE_GC_EACH_4(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_3(T, __VA_ARGS__)
#define REPRISE_GC_EACH_5(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_4(T, __VA_ARGS__)
#define REPRISE_GC_EACH_6(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_5(T, __VA_ARGS__)
#define REPRISE_GC_EACH_7(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_6(T, __VA_ARGS__)
#define REPRISE_GC_EACH_8(T, a, ...) REPRISE_GC_ADD(T, a) REPRISE_GC_EACH_7(T, __VA_ARGS__)
#define REPRISE_GC_PICK(a, b, c, d, e, f, g, h, NAME, ...) NAME
#define REPRISE_GC_EACH(T, ...)                                                                                        \
  REPRISE_GC_PICK(__VA_ARGS__, REPRISE_GC_EACH_8, REPRISE_GC_EACH_7, REPRISE_GC_EACH_6, REPRISE_GC_EACH_5, REPRISE_GC_EACH_4, \
                  REPRISE_GC_EACH_3, REPRISE_GC_EACH_2, REPRISE_GC_EACH_1)                                             \
  (T, __VA_ARGS__)

// Members of T, up to 8 (also arrays and structs), that hold pointers into the collected heap; no others do.
#define REPRISE_GC_FIELDS(T, ...)                                                                      \
  template <>                                                                                          \
  struct reprise::Pointers<T> {                                                                        \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Winvalid-offsetof\"")             \
    static constexpr auto made = [] {                                                                  \
      ::reprise::gc::detail::Mask<sizeof(T) / sizeof(void*)> made;                                      \
      REPRISE_GC_EACH(T, __VA_ARGS__)                                                                  \
      return made;                                                                                     \
    }();                                                                                               \
    _Pragma("GCC diagnostic pop")                                                                      \
    static constexpr bool conservative = false;                                                        \
    static constexpr size_t ptrdata = made.end * sizeof(void*);                                        \
    static constexpr const uint8_t* mask = made.bits.data();                                           \
  };
