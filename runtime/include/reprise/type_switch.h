// type_switch: one of several functions, by the type that an interface value holds.
//
//   std::string text = reprise::type_switch(any,
//       reprise::when<int>([](int i) { return std::to_string(i); }),
//       reprise::when<Shape>([](const reprise::Iface<Shape>& s) { return std::to_string(s.area()); }),
//       reprise::when_nil([] { return std::string("nothing"); }),
//       reprise::when_other([](const reprise::Any& other) { return std::string(other.type_name()); }));
//
// The first case that fits, in the order written; `when_other` last, and only if none does; without it nothing happens, and
// then the functions return nothing. Types are found by their hashes, in steps as few as a binary search has; cases of
// interfaces are tried in turn, each with a cache. Thread safety and blocking: as the functions'.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <reprise/iface.h>

namespace reprise {

namespace detail {

enum class WhenKind { type, interface, nil, other };

template <WhenKind K, class T, class F>
struct When {
  static constexpr WhenKind kind = K;
  using Type = T;
  static inline constinit std::atomic<const rt::Itab*> cache{nullptr};  // F is a lambda: one a site
  F f;
};

// The concrete types of a switch by their hashes.
struct HashCase {
  uint32_t hash;
  uint32_t index;
};
template <class C>
constexpr uint32_t hash_of_case() {
  if constexpr (C::kind == WhenKind::type) return rt::type_of<typename C::Type>()->hash;
  else return 0;
}
template <class... Cases>
struct SwitchTable {
  static constexpr size_t kTypes = (size_t{0} + ... + (Cases::kind == WhenKind::type));
  static constexpr auto sorted = [] {
    constexpr WhenKind kinds[] = {Cases::kind...};
    constexpr uint32_t hashes[] = {hash_of_case<Cases>()...};
    std::array<HashCase, kTypes> table{};
    size_t count = 0;
    for (uint32_t i = 0; i < sizeof...(Cases); ++i) {
      if (kinds[i] == WhenKind::type) table[count++] = {hashes[i], i};
    }
    std::sort(table.begin(), table.end(),
              [](HashCase a, HashCase b) { return a.hash != b.hash ? a.hash < b.hash : a.index < b.index; });
    return table;
  }();
};

template <class C>
constexpr const rt::Type* type_of_case() {
  if constexpr (C::kind == WhenKind::type) return rt::type_of<typename C::Type>();
  else return nullptr;
}

// The first case of a concrete type that fits; their number if none does.
template <class... Cases>
size_t concrete_case(const rt::Type* type) {
  using Table = SwitchTable<Cases...>;
  static constexpr const rt::Type* types[] = {type_of_case<Cases>()...};
  if constexpr (Table::kTypes != 0) {
    auto at = std::lower_bound(Table::sorted.begin(), Table::sorted.end(), type->hash,
                               [](HashCase c, uint32_t hash) { return c.hash < hash; });
    for (; at != Table::sorted.end() && at->hash == type->hash; ++at) {
      if (rt::same_type(type, types[at->index])) return at->index;
    }
  }
  return sizeof...(Cases);
}

// Does case I, of an interface or of nil, fit?
template <class C>
bool fits(const rt::Type* type) {
  if constexpr (C::kind == WhenKind::interface) return cached_itab<typename C::Type>(type, C::cache) != nullptr;
  else return C::kind == WhenKind::nil && type == nullptr;
}

template <class... Cases>
size_t find_case(const rt::Type* type) {
  const size_t concrete = type != nullptr ? concrete_case<Cases...>(type) : sizeof...(Cases);
  size_t i = 0;
  (void)((i == concrete || fits<Cases>(type) || (++i, false)) || ...);
  if (i != sizeof...(Cases)) return i;
  i = 0;
  (void)((Cases::kind == WhenKind::other || (++i, false)) || ...);
  return i;
}

template <class C, class Value>
decltype(auto) run_case(C& chosen, const Value& value) {
  if constexpr (C::kind == WhenKind::type) return chosen.f(*value.template as<typename C::Type>());
  else if constexpr (C::kind == WhenKind::interface) return chosen.f(value.template as<typename C::Type>());
  else if constexpr (C::kind == WhenKind::nil) return chosen.f();
  else return chosen.f(Any(value));
}

template <class R, size_t I, class Value, class First, class... Rest>
R run_nth(size_t wanted, const Value& value, First& first, Rest&... rest) {
  if (wanted == I) return run_case(first, value);
  if constexpr (sizeof...(Rest) != 0) return run_nth<R, I + 1>(wanted, value, rest...);
  else if constexpr (!std::is_void_v<R>) __builtin_unreachable();  // there is a when_other
}

}  // namespace detail

template <class T, class F>
auto when(F f) {
  constexpr auto kKind = Interface<T> ? detail::WhenKind::interface : detail::WhenKind::type;
  return detail::When<kKind, T, F>{std::move(f)};
}
template <class F>
auto when_nil(F f) {
  return detail::When<detail::WhenKind::nil, void, F>{std::move(f)};
}
template <class F>
auto when_other(F f) {
  return detail::When<detail::WhenKind::other, void, F>{std::move(f)};
}

// Value: an Any or an Iface. The cases' functions return the same type.
template <class Value, class First, class... Rest>
decltype(auto) type_switch(const Value& value, First first, Rest... rest) {
  using R = decltype(detail::run_case(first, value));
  constexpr bool kHasOther = First::kind == detail::WhenKind::other || ((Rest::kind == detail::WhenKind::other) || ...);
  static_assert(std::is_void_v<R> || kHasOther, "a type_switch with a result needs a when_other");
  const size_t chosen = detail::find_case<First, Rest...>(value.held_type());
  return detail::run_nth<R, 0>(chosen, value, first, rest...);
}

}  // namespace reprise
