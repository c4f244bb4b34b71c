// Any and Iface: values whose type is known at run time only.
//
//   struct Shape {                                  // an interface: what it asks for
//     double area() const;
//     void grow(double factor);
//   };
//   REPRISE_INTERFACE(Shape, area, grow)
//
//   struct Square {
//     double side;
//     double area() const { return side * side; }
//     void grow(double factor) { side *= factor; }
//   };
//   REPRISE_METHODS(Square, area, grow)
//
//   Square square{2};
//   reprise::Iface<Shape> shape = &square;          // a pointer has all methods of what it points to
//   shape.grow(3);
//   reprise::Any any = shape;                       // still a Square*
//   if (Square* const* p = any.as<Square*>()) …     // null if it is something else
//   double a = any.to<Shape>().area();              // panics if it is not, as the reference does
//
// An Any holds nothing (nil) or a value of any type; an Iface<I> nothing, or a value of a type that has I's methods,
// which can be called on it. Nothing is not the same as a pointer that is null: an interface that holds one is
// not nil.
//
// Methods are those that REPRISE_METHODS names, directly behind the type; they agree by name and signature
// (const and noexcept apart), are not overloaded and not templates. A *value* has its const methods only, a pointer
// or std::shared_ptr all: values in interfaces are shared by their copies and never change. Names of methods of Any
// and Iface themselves (as, to, is, type_name) cannot be an interface's.
//
// Ownership: a value is moved into a box that copies share and the last destroys; pointers are kept as they are. Text
// (`const char*`, literals) is kept as std::string. Thread safety: as any value; boxes may be shared by threads, if
// reading the value may be. Does not block; the first conversion of a type to an interface that the compiler did
// not see takes a lock for a moment. Libraries that hold types or methods must not be unloaded.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <reprise/hash.h>

#include "runtime/iface/itab.h"
#include "runtime/type/type_of.h"

namespace reprise {

class Any;
template <class I>
class Iface;

template <class I>
concept Interface = requires(const I* i) { reprise_interface_of(i); };

namespace detail {

template <class I>
using InterfaceOf = decltype(reprise_interface_of(static_cast<const I*>(nullptr)));

template <class T>
inline constexpr bool is_iface = false;
template <class I>
inline constexpr bool is_iface<Iface<I>> = true;

// ---- the data word -------------------------------------------------------------------------------------

// Small numbers need no box: word i holds i.
struct StaticValues {
  uint64_t value[256];
};
extern const StaticValues static_values;

inline bool in_static_values(const void* data) {
  return reinterpret_cast<uintptr_t>(data) - reinterpret_cast<uintptr_t>(&static_values) < sizeof static_values;
}

// A box: the number of its owners, then the value, at `data`.
struct Box {
  static constexpr size_t kHead = 16;
  static constexpr size_t head(size_t align) { return align > kHead ? align : kHead; }
  static std::atomic<uint64_t>& owners(void* data) {
    asm("" : "+r"(data));  // or compilers that see a direct pointer warn of a branch that it never takes
    return *reinterpret_cast<std::atomic<uint64_t>*>(static_cast<char*>(data) - kHead);
  }
};

// REQUIRES: type is not direct.
void drop_box(const rt::Type* type, void* data);

inline void retain(const rt::Type* type, void* data) {
  if (type == nullptr || type->direct() || in_static_values(data)) return;
  // Relaxed: whoever copies is an owner already.
  Box::owners(data).fetch_add(1, std::memory_order_relaxed);
}
inline void release(const rt::Type* type, void* data) {
  if (type == nullptr || type->direct() || in_static_values(data)) return;
  // Acquire and release: who destroys sees what the other owners did.
  if (Box::owners(data).fetch_sub(1, std::memory_order_acq_rel) == 1) drop_box(type, data);
}

template <class T>
void* make_data(T&& value) {
  using V = std::remove_cvref_t<T>;
  if constexpr (rt::is_direct<V>) {
    return const_cast<void*>(reinterpret_cast<const volatile void*>(value));
  } else {
    if constexpr (std::is_integral_v<V> && sizeof(V) <= sizeof(uint64_t)) {
      const auto number = static_cast<std::make_unsigned_t<std::conditional_t<std::is_same_v<V, bool>, char, V>>>(value);
      if (number < 256) return const_cast<uint64_t*>(&static_values.value[number]);
    }
    constexpr std::align_val_t kAlign{Box::head(alignof(V))};
    char* const memory = static_cast<char*>(::operator new(Box::head(alignof(V)) + sizeof(V), kAlign));
    void* const data = memory + Box::head(alignof(V));
    try {
      new (data) V(std::forward<T>(value));
    } catch (...) {
      ::operator delete(memory, kAlign);
      throw;
    }
    new (&Box::owners(data)) std::atomic<uint64_t>(1);
    return data;
  }
}

// ---- interfaces ----------------------------------------------------------------------------------------

template <class I, class Tags = typename InterfaceOf<I>::List>
struct InterfaceDescriptor;
template <class I, class... Tags>
struct InterfaceDescriptor<I, TagList<Tags...>> {
  static constexpr rt::InterfaceMethod methods[] = {{&tag_name<Tags>, nullptr, rt::type_of<SignatureOf<Tags, I>>()}...};
  static constexpr rt::InterfaceType descriptor{
      {2 * sizeof(void*), 2 * sizeof(void*), rt::hash_of_name(TypeName<I>::value), rt::kTflagNamed, alignof(void*),
       alignof(void*), static_cast<uint8_t>(rt::Kind::interface), nullptr, nullptr, &rt::type_name_of<I>, nullptr, nullptr},
      {methods, sizeof...(Tags), sizeof...(Tags)}};
};
template <class I>
constexpr const rt::InterfaceType* interface_type() {
  return &InterfaceDescriptor<I>::descriptor;
}

// Does the list name a method like `Wanted` of I, callable on what a T leads to?
template <class Wanted, class I, class T, class... Tags>
constexpr bool names(TagList<Tags...>) {
  using Object = typename Held<T>::Object;
  return ((Tags::name == Wanted::name && callable<Tags, T>() &&
           std::is_same_v<SignatureOf<Tags, Object>, SignatureOf<Wanted, I>>) || ...);
}
template <class T, class I, class... Wanted>
constexpr bool has_all(TagList<Wanted...>) {
  return (names<Wanted, I, T>(methods_of<typename Held<T>::Object>()) && ...);
}
template <class T, class I>
constexpr bool implements() {
  return has_all<T, I>(typename InterfaceOf<I>::List());
}

// An itab that the compiler makes.
template <class I, class T, class Tags = typename InterfaceOf<I>::List>
struct StaticItab;
template <class I, class T, class... Tags>
struct StaticItab<I, T, TagList<Tags...>> {
  struct Whole {
    rt::ItabHead head;
    const rt::Type* type;
    void* fun[sizeof...(Tags)];
  };
  static inline const Whole whole{{interface_type<I>(), rt::type_of<T>()->hash, -1},
                                  rt::type_of<T>(),
                                  {reinterpret_cast<void*>(&Thunk<T, Tags, SignatureOf<Tags, I>>::run)...}};
  static const rt::Itab* get() { return reinterpret_cast<const rt::Itab*>(&whole.type); }
};

// Has J all methods of I?
template <class Wanted, class I, class J, class... Tags>
constexpr bool asks_for(TagList<Tags...>) {
  return ((Tags::name == Wanted::name && std::is_same_v<SignatureOf<Tags, J>, SignatureOf<Wanted, I>>) || ...);
}
template <class J, class I, class... Wanted>
constexpr bool covers_all(TagList<Wanted...>) {
  return (asks_for<Wanted, I, J>(typename InterfaceOf<J>::List()) && ...);
}
template <class J, class I>
constexpr bool covers() {
  return covers_all<J, I>(typename InterfaceOf<I>::List());
}

template <class Signature>
struct Caller;
template <class R, class... A>
struct Caller<R(A...)> {
  template <class... Arguments>
  static R call(void* code, void* data, Arguments&&... arguments) {
    return reinterpret_cast<R (*)(void*, A...)>(code)(data, std::forward<Arguments>(arguments)...);
  }
};

// The inline caches of assertions to I: the itab that a site found last. A site is told by its line (a constant where
// it is inlined), so that two of them share a cache only if their lines are alike in the lowest bits. Acquire and
// release: who finds an itab sees it built.
template <class I>
const rt::Itab* cached_itab(const rt::Type* type, std::atomic<const rt::Itab*>& cache) {
  if (type == nullptr) return nullptr;
  const rt::Itab* tab = cache.load(std::memory_order_acquire);
  if (tab != nullptr && tab->type == type) [[likely]] return tab;
  tab = rt::getitab(interface_type<I>(), type);
  if (tab != nullptr) cache.store(tab, std::memory_order_release);
  return tab;
}
template <class I>
struct SiteCaches {
  static constexpr size_t kSites = 32;
  static inline constinit std::atomic<const rt::Itab*> caches[kSites]{};
};
template <class I>
const rt::Itab* itab_at(const rt::Type* type, unsigned line) {
  return cached_itab<I>(type, SiteCaches<I>::caches[line % SiteCaches<I>::kSites]);
}

template <class T>
using Stored = std::conditional_t<std::convertible_to<const std::decay_t<T>&, const char*> && std::is_pointer_v<std::decay_t<T>>,
                                  std::string, std::decay_t<T>>;

// What both kinds of interface do, given from(), held_type() and data_.
template <class Self>
class Assertions {
 public:
  explicit operator bool() const { return self().held_type() != nullptr; }  // false: nil
  std::string_view type_name() const { return rt::type_name(self().held_type()); }

  // Is it a T, or, of an interface, does its type have the methods?
  template <class T>
  bool is(unsigned line = __builtin_LINE()) const {
    if constexpr (Interface<T>) return itab_at<T>(self().held_type(), line) != nullptr;
    else return rt::same_type(self().held_type(), rt::type_of<T>());
  }
  // The value, or null. Lives as long as this, or any copy of it.
  template <class T>
    requires(!Interface<T>)
  const T* as() const& {
    return rt::same_type(self().held_type(), rt::type_of<T>()) ? value<T>() : nullptr;
  }
  template <class T>
    requires(!Interface<T>)
  const T* as() && = delete;  // the value would end with this temporary
  // As an interface: nil if the methods are not there.
  template <Interface T>
  Iface<T> as(unsigned line = __builtin_LINE()) const {
    const rt::Itab* const tab = itab_at<T>(self().held_type(), line);
    return tab != nullptr ? Iface<T>(tab, self().shared_data()) : Iface<T>();
  }
  // The same for those who know: a panic if it is something else.
  template <class T>
    requires(!Interface<T>)
  T to() const {
    if (!rt::same_type(self().held_type(), rt::type_of<T>())) [[unlikely]] rt::panic_not_type(Self::from(), self().held_type(), rt::type_of<T>());
    return *value<T>();
  }
  template <Interface T>
  Iface<T> to(unsigned line = __builtin_LINE()) const {
    const rt::Itab* const tab = itab_at<T>(self().held_type(), line);
    if (tab == nullptr) [[unlikely]] rt::panic_not_interface(self().held_type(), interface_type<T>());
    return Iface<T>(tab, self().shared_data());
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
  template <class T>
  const T* value() const {
    if constexpr (rt::is_direct<T>) return reinterpret_cast<const T*>(&self().data_);
    else return static_cast<const T*>(self().data_);
  }
};

}  // namespace detail

// A value of any type, or nothing.
class Any : public detail::Assertions<Any> {
 public:
  constexpr Any() = default;
  constexpr Any(std::nullptr_t) {}
  template <class T>
    requires(!std::derived_from<std::decay_t<T>, Any> && !detail::is_iface<std::decay_t<T>> &&
             !std::same_as<std::decay_t<T>, std::nullptr_t>)
  Any(T&& value) : type_(rt::type_of<detail::Stored<T>>()), data_(detail::make_data(detail::Stored<T>(std::forward<T>(value)))) {}
  template <class I>
  Any(const Iface<I>& other) : type_(other.held_type()), data_(other.shared_data()) {}

  Any(const Any& other) : type_(other.type_), data_(other.shared_data()) {}
  Any(Any&& other) noexcept : type_(std::exchange(other.type_, nullptr)), data_(other.data_) {}
  Any& operator=(Any other) noexcept {
    std::swap(type_, other.type_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Any() { detail::release(type_, data_); }

  // Equal types and values. Panics if the type is one that cannot be compared.
  friend bool operator==(const Any& a, const Any& b) {
    if (!rt::same_type(a.type_, b.type_)) return false;
    return a.type_ == nullptr || equal_values(a, b);
  }

  const rt::Type* held_type() const { return type_; }
  uint64_t hash(uint64_t seed) const;

 private:
  friend class detail::Assertions<Any>;
  template <class I>
  friend class Iface;
  static constexpr const rt::Type* from() { return nullptr; }
  static bool equal_values(const Any& a, const Any& b);
  void* shared_data() const {
    detail::retain(type_, data_);
    return data_;
  }

  const rt::Type* type_ = nullptr;
  void* data_ = nullptr;
};
static_assert(sizeof(Any) == 2 * sizeof(void*));

template <>
struct Hash<Any> {
  uint64_t operator()(const Any& any, uint64_t seed) const { return any.hash(seed); }
};

// A value of a type that has I's methods, or nothing; they are called on it directly. On nothing they panic.
template <class I>
class Iface : public detail::InterfaceOf<I>::template Face<Iface<I>>, public detail::Assertions<Iface<I>> {
  using List = typename detail::InterfaceOf<I>::List;

 public:
  constexpr Iface() = default;
  constexpr Iface(std::nullptr_t) {}
  template <class T>
    requires(!std::same_as<std::decay_t<T>, Any> && !detail::is_iface<std::decay_t<T>> &&
             !std::same_as<std::decay_t<T>, std::nullptr_t>)
  Iface(T&& value) {
    using V = std::decay_t<T>;
    static_assert(detail::implements<V, I>(),
                  "REPRISE_METHODS of the type does not name all methods of the interface, with equal signatures; "
                  "a value has its const methods only");
    data_ = detail::make_data(V(std::forward<T>(value)));
    tab_ = detail::StaticItab<I, V>::get();
  }
  // From an interface that has these methods and more.
  template <class J>
    requires(!std::same_as<I, J> && detail::covers<J, I>())
  Iface(const Iface<J>& other) {
    if (other) *this = other.template to<I>();
  }
  Iface(const rt::Itab* tab, void* data) : tab_(tab), data_(data) {}  // for the runtime: takes over one share of a box

  Iface(const Iface& other) : tab_(other.tab_), data_(other.shared_data()) {}
  Iface(Iface&& other) noexcept : tab_(std::exchange(other.tab_, nullptr)), data_(other.data_) {}
  Iface& operator=(Iface other) noexcept {
    std::swap(tab_, other.tab_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Iface() { detail::release(held_type(), data_); }

  friend bool operator==(const Iface& a, const Iface& b) {
    if (a.tab_ == nullptr || b.tab_ == nullptr) return a.tab_ == b.tab_;
    return Any(a) == Any(b);
  }

  const rt::Type* held_type() const { return tab_ != nullptr ? tab_->type : nullptr; }

  template <class Tag, class... A>
  decltype(auto) invoke(A&&... arguments) const {
    if (tab_ == nullptr) [[unlikely]] detail::nil_receiver();
    constexpr size_t kIndex = detail::place_in<Tag>(List());
    using Signature = detail::SignatureOf<Tag, I>;
    return detail::Caller<Signature>::call(tab_->fun[kIndex], data_, std::forward<A>(arguments)...);
  }

 private:
  friend class detail::Assertions<Iface>;
  friend class Any;

  static constexpr const rt::Type* from() { return &detail::interface_type<I>()->common; }
  void* shared_data() const {
    detail::retain(held_type(), data_);
    return data_;
  }

  const rt::Itab* tab_ = nullptr;
  void* data_ = nullptr;
};

template <class I>
struct Hash<Iface<I>> {
  uint64_t operator()(const Iface<I>& value, uint64_t seed) const { return Any(value).hash(seed); }
};

}  // namespace reprise

// ---- declaring -----------------------------------------------------------------------------------------

// Up to 27 methods: each macro expands its argument three times.
#define REPRISE_PARENS ()
#define REPRISE_EXPAND1(...) REPRISE_EXPAND2(REPRISE_EXPAND2(REPRISE_EXPAND2(__VA_ARGS__)))
#define REPRISE_EXPAND2(...) REPRISE_EXPAND3(REPRISE_EXPAND3(REPRISE_EXPAND3(__VA_ARGS__)))
#define REPRISE_EXPAND3(...) REPRISE_EXPAND4(REPRISE_EXPAND4(REPRISE_EXPAND4(__VA_ARGS__)))
#define REPRISE_EXPAND4(...) __VA_ARGS__
#define REPRISE_EACH(macro, ...) __VA_OPT__(REPRISE_EXPAND1(REPRISE_EACH_STEP(macro, __VA_ARGS__)))
#define REPRISE_EACH_STEP(macro, first, ...) \
  macro(first) __VA_OPT__(REPRISE_EACH_AGAIN REPRISE_PARENS(macro, __VA_ARGS__))
#define REPRISE_EACH_AGAIN() REPRISE_EACH_STEP
#define REPRISE_TAGS(...) __VA_OPT__(REPRISE_EXPAND1(REPRISE_TAGS_STEP(__VA_ARGS__)))
#define REPRISE_TAGS_STEP(first, ...) \
  first##_method __VA_OPT__(, REPRISE_TAGS_AGAIN REPRISE_PARENS(__VA_ARGS__))
#define REPRISE_TAGS_AGAIN() REPRISE_TAGS_STEP

#define REPRISE_METHOD_TAG(method_name)                                          \
  struct method_name##_method {                                                  \
    static constexpr std::string_view name = #method_name;                       \
    template <class C>                                                           \
    static constexpr auto pointer() {                                            \
      return &C::method_name;                                                    \
    }                                                                            \
    template <class R, class C, class... A>                                      \
    static R call(C& object, A&&... arguments) {                                 \
      return object.method_name(std::forward<A>(arguments)...);                  \
    }                                                                            \
  };
#define REPRISE_FACE_METHOD(method_name)                                                                     \
  template <class... A>                                                                                      \
  decltype(auto) method_name(A&&... arguments) const {                                                       \
    return static_cast<const Self*>(this)->template invoke<method_name##_method>(std::forward<A>(arguments)...); \
  }

// The methods of a type; directly behind it, in its namespace.
#define REPRISE_METHODS(Class, ...)                                                    \
  struct reprise_methods_##Class {                                                     \
    REPRISE_EACH(REPRISE_METHOD_TAG, __VA_ARGS__)                                      \
    using List = ::reprise::detail::Sorted<REPRISE_TAGS(__VA_ARGS__)>::List;           \
  };                                                                                   \
  [[maybe_unused]] constexpr reprise_methods_##Class reprise_methods_of(const Class*) { return {}; }

// Makes of a struct that only declares methods an interface with those that are named here; the same place.
#define REPRISE_INTERFACE(Name, ...)                                                   \
  struct reprise_interface_##Name {                                                    \
    REPRISE_EACH(REPRISE_METHOD_TAG, __VA_ARGS__)                                      \
    using List = ::reprise::detail::Sorted<REPRISE_TAGS(__VA_ARGS__)>::List;           \
    template <class Self>                                                              \
    struct Face {                                                                      \
      REPRISE_EACH(REPRISE_FACE_METHOD, __VA_ARGS__)                                   \
    };                                                                                 \
  };                                                                                   \
  [[maybe_unused]] constexpr reprise_interface_##Name reprise_interface_of(const Name*) { return {}; }
