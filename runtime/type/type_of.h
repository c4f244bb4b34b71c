// type_of<T>(): the descriptor of a C++ type, a constant made by the compiler.
//
// Name and hash come from the compiler's spelling of the type, so modules that share types are compiled by one compiler
// (or give the name: specialise TypeName). Where pointers into the collected heap lie is said by Pointers, which the
// collector's face specialises; what it does not know is scanned conservatively.
//
// The methods of a type are those that REPRISE_METHODS (iface.h) names. Methods follow the reference's rule of method
// sets: of a value its const methods may be called, of a pointer to it all. That is also what makes sharing of boxes right.
//
// Thread safety: constants.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <reprise/hash.h>

#include "runtime/type/type.h"

namespace reprise {

namespace detail {

template <class T>
constexpr auto spelled() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const size_t from = text.find("T = ") + 4;
  return text.substr(from, text.rfind(']') - from);
}

}  // namespace detail

// What texts call a type, and what it is known by in other modules.
template <class T>
struct TypeName {
  static constexpr std::string_view value = detail::spelled<T>();
};
template <>
struct TypeName<std::string> {
  static constexpr std::string_view value = "std::string";
};

// Where a T has pointers into the collected heap.
template <class T>
struct Pointers {
  static constexpr bool conservative =
      !std::is_arithmetic_v<T> && !std::is_enum_v<T> && !std::is_empty_v<T> && sizeof(T) >= sizeof(void*);
  static constexpr size_t ptrdata = conservative ? sizeof(T) / sizeof(void*) * sizeof(void*) : 0;
  static constexpr const uint8_t* mask = nullptr;
};

namespace detail {

// ---- equality ------------------------------------------------------------------------------------------

template <class T>
constexpr bool comparable();

template <class Tuple, size_t... I>
constexpr bool parts_comparable(std::index_sequence<I...>) {
  return (comparable<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>() && ...);
}

// Containers and tuples of the library claim to be comparable whatever they hold.
template <class T>
constexpr bool comparable() {
  if constexpr (!std::equality_comparable<T>) {
    return false;
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return parts_comparable<T>(std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (requires { typename T::value_type; }) {
    if constexpr (std::same_as<typename T::value_type, T>) return true;
    else return comparable<std::remove_cv_t<typename T::value_type>>();
  } else {
    return true;
  }
}

template <class T>
bool equal_values(const void* a, const void* b) {
  return *static_cast<const T*>(a) == *static_cast<const T*>(b);
}
template <class T>
inline constexpr rt::EqualFunction equal_function{equal_values<T>};

template <class T>
uint64_t hash_value(const void* data, uint64_t seed) {
  return Hash<T>()(*static_cast<const T*>(data), seed);
}
template <class T>
void destroy_value(void* data) {
  static_cast<T*>(data)->~T();
}

// ---- methods -------------------------------------------------------------------------------------------

template <class Pointer>
struct MethodTraits;
#define REPRISE_METHOD_TRAITS(QUALIFIERS, CONST)               \
  template <class C, class R, class... A>                      \
  struct MethodTraits<R (C::*)(A...) QUALIFIERS> {             \
    using Signature = R(A...);                                 \
    static constexpr bool is_const = CONST;                    \
  };
REPRISE_METHOD_TRAITS(, false)
REPRISE_METHOD_TRAITS(const, true)
REPRISE_METHOD_TRAITS(noexcept, false)
REPRISE_METHOD_TRAITS(const noexcept, true)
#undef REPRISE_METHOD_TRAITS

// The object that a data word leads to, and whether all methods may be called on it. Specialise for other pointers.
template <class T>
struct Held {
  using Object = T;
  static constexpr bool all_methods = false;
  static const T* object(void* data) { return static_cast<const T*>(data); }
};
template <class T>
struct Held<T*> {
  using Object = std::remove_const_t<T>;
  static constexpr bool all_methods = !std::is_const_v<T>;
  static T* object(void* data) { return static_cast<T*>(data); }
};
template <class T>
struct Held<std::shared_ptr<T>> {
  using Object = std::remove_const_t<T>;
  static constexpr bool all_methods = !std::is_const_v<T>;
  static T* object(void* data) { return static_cast<std::shared_ptr<T>*>(data)->get(); }
};

[[noreturn]] void nil_receiver();

template <class T, class Tag, class Signature>
struct Thunk;
template <class T, class Tag, class R, class... A>
struct Thunk<T, Tag, R(A...)> {
  static R run(void* data, A... arguments) {
    auto* const object = Held<T>::object(data);
    if (object == nullptr) [[unlikely]] nil_receiver();
    return Tag::template call<R>(*object, std::forward<A>(arguments)...);
  }
};

template <class Tag, class Object>
using SignatureOf = typename MethodTraits<decltype(Tag::template pointer<Object>())>::Signature;

// May the method be called on what a T leads to?
template <class Tag, class T>
constexpr bool callable() {
  return Held<T>::all_methods || MethodTraits<decltype(Tag::template pointer<typename Held<T>::Object>())>::is_const;
}

template <class Tag>
inline constexpr rt::GoString tag_name{Tag::name.data(), static_cast<intptr_t>(Tag::name.size())};

template <class... Tags>
struct TagList {
  static constexpr size_t size = sizeof...(Tags);
};

// Lists of tags in the order of names, as the reference's compiler has methods.
template <class... Tags>
struct Sorted {
  static constexpr std::array<std::string_view, sizeof...(Tags)> names{Tags::name...};
  static constexpr auto from = [] {  // from[i]: which tag is the i-th by name
    std::array<size_t, sizeof...(Tags)> order{};
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [](size_t a, size_t b) { return names[a] < names[b]; });
    return order;
  }();
  template <size_t... I>
  static TagList<std::tuple_element_t<from[I], std::tuple<Tags...>>...> list(std::index_sequence<I...>);
  using List = decltype(list(std::make_index_sequence<sizeof...(Tags)>()));
};

template <class Tag, class... Tags>
constexpr size_t place_in(TagList<Tags...>) {
  size_t place = 0;
  (void)((std::is_same_v<Tag, Tags> || (++place, false)) || ...);
  return place;
}

// Of the tags, those that may be called on what a T leads to.
template <class T, class... Kept>
constexpr TagList<Kept...> callable_tags(TagList<>, TagList<Kept...>) {
  return {};
}
template <class T, class First, class... Rest, class... Kept>
constexpr auto callable_tags(TagList<First, Rest...>, TagList<Kept...>) {
  if constexpr (callable<First, T>()) return callable_tags<T>(TagList<Rest...>(), TagList<Kept..., First>());
  else return callable_tags<T>(TagList<Rest...>(), TagList<Kept...>());
}

// Found beside the type, where REPRISE_METHODS put it.
template <class Object>
constexpr auto methods_of() {
  if constexpr (requires { reprise_methods_of(static_cast<const Object*>(nullptr)); }) {
    return typename decltype(reprise_methods_of(static_cast<const Object*>(nullptr)))::List();
  } else {
    return TagList<>();
  }
}

}  // namespace detail

namespace rt {

template <class T>
struct TypeOf;

// The same constant in every translation unit of a module. T has no reference and no const.
template <class T>
constexpr const Type* type_of() {
  return &TypeOf<T>::descriptor.common;
}

constexpr uint32_t hash_of_name(std::string_view name) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

template <class T>
inline constexpr GoString type_name_of{TypeName<T>::value.data(), static_cast<intptr_t>(TypeName<T>::value.size())};

template <class T, class Tags>
struct MethodTable;
template <class T, class... Tags>
struct MethodTable<T, reprise::detail::TagList<Tags...>> {
  using Object = typename reprise::detail::Held<T>::Object;

  // Not constexpr: the language has no constant that casts a function's address, though compilers make one.
  static inline const Method methods[] = {
      {&reprise::detail::tag_name<Tags>, nullptr, type_of<reprise::detail::SignatureOf<Tags, Object>>(), nullptr,
       reinterpret_cast<void*>(
           &reprise::detail::Thunk<T, Tags, reprise::detail::SignatureOf<Tags, Object>>::run)}...};
  static constexpr Uncommon uncommon{&type_name_of<T>, nullptr, {methods, sizeof...(Tags), sizeof...(Tags)}};
  static constexpr bool has_any = true;  // no look at an address is a constant where UBSan checks it
  static constexpr const Uncommon* get() { return &uncommon; }
};
template <class T>
struct MethodTable<T, reprise::detail::TagList<>> {
  static constexpr bool has_any = false;
  static constexpr const Uncommon* get() { return nullptr; }
};

template <class T>
using MethodTableOf = MethodTable<
    T, decltype(reprise::detail::callable_tags<T>(
           reprise::detail::methods_of<typename reprise::detail::Held<T>::Object>(), reprise::detail::TagList<>()))>;

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) return Kind::boolean;
  else if constexpr (std::is_same_v<T, float>) return Kind::float32;
  else if constexpr (std::is_same_v<T, double>) return Kind::float64;
  else if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) {
    constexpr Kind kSigned[] = {Kind::int8, Kind::int16, Kind::int32, Kind::int64};
    constexpr Kind kUnsigned[] = {Kind::uint8, Kind::uint16, Kind::uint32, Kind::uint64};
    constexpr size_t log = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[log] : kUnsigned[log];
  } else if constexpr (std::is_pointer_v<T>) return Kind::ptr;
  else return Kind::cpp;
}

// Pointers and nothing else are their own data word.
template <class T>
inline constexpr bool is_direct = std::is_pointer_v<T>;

// What operator== of these compares is their bytes, all of them.
template <class T>
inline constexpr bool is_regular_memory = std::is_integral_v<T> || std::is_enum_v<T> || std::is_pointer_v<T>;

template <class T>
struct TypeOf {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>);

  static constexpr uint8_t tflag = kTflagCpp | kTflagNamed | (MethodTableOf<T>::has_any ? kTflagUncommon : 0) |
                                   (is_regular_memory<T> ? kTflagRegularMemory : 0) |
                                   (Pointers<T>::conservative ? kTflagConservative : 0);
  static constexpr const EqualFunction* equal() {
    if constexpr (reprise::detail::comparable<T>()) return &reprise::detail::equal_function<T>;
    else return nullptr;
  }
  static constexpr auto hasher() -> uint64_t (*)(const void*, uint64_t) {
    if constexpr (reprise::detail::comparable<T>() && reprise::detail::hashable<T>()) return reprise::detail::hash_value<T>;
    else return nullptr;
  }
  static constexpr auto destroy() -> void (*)(void*) {
    if constexpr (std::is_trivially_destructible_v<T>) return nullptr;
    else return reprise::detail::destroy_value<T>;
  }
  static constexpr CppType descriptor{
      {sizeof(T), Pointers<T>::ptrdata, hash_of_name(TypeName<T>::value), tflag, alignof(T), alignof(T),
       static_cast<uint8_t>(static_cast<uint8_t>(kind_of<T>()) | (is_direct<T> ? kKindDirectIface : 0)), equal(),
       Pointers<T>::mask, &type_name_of<T>, MethodTableOf<T>::get(), nullptr},
      &typeid(T), hasher(), destroy()};
};

// Signatures of methods.
template <class R, class... A>
struct TypeOf<R(A...)> {
  static constexpr CppType descriptor{
      {sizeof(void*), 0, hash_of_name(TypeName<R(A...)>::value), kTflagCpp, alignof(void*), alignof(void*),
       static_cast<uint8_t>(Kind::func), nullptr, nullptr, &type_name_of<R(A...)>, nullptr, nullptr},
      &typeid(R(A...)), nullptr, nullptr};
};

}  // namespace rt
}  // namespace reprise
