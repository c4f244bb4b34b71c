// Hash: how keys of maps, and values in an Any, are hashed.
//
// Specialise it, or std::hash, for types of your own. Equal keys have equal hashes. Must neither throw nor wait; of an
// Any it panics if what it holds has no hash. Values differ from process to process.
//
// Thread safety: as reading the key.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "runtime/map/hash.h"
#include "runtime/sched/proc.h"

namespace reprise {

template <class K>
struct Hash {
  using Unspecialised = void;

  uint64_t operator()(const K& key, uint64_t seed) const {
    if constexpr (std::is_integral_v<K> || std::is_enum_v<K>) {
      return rt::memhash64(static_cast<uint64_t>(key), seed);
    } else if constexpr (std::is_pointer_v<K>) {
      return rt::memhash64(reinterpret_cast<uint64_t>(key), seed);
    } else if constexpr (std::is_floating_point_v<K>) {
      if (key != key) return rt::seam_draw();  // a NaN is equal to nothing, and many of them shall not collide
      return rt::memhash64(std::hash<K>()(key), seed);
    } else if constexpr (std::convertible_to<const K&, std::string_view>) {
      const std::string_view text = key;
      return rt::memhash(text.data(), text.size(), seed);
    } else if constexpr (requires { std::tuple_size<K>::value; }) {
      return std::apply(
          [&](const auto&... part) {
            ((seed = Hash<std::remove_cvref_t<decltype(part)>>()(part, seed)), ...);
            return seed;
          },
          key);
    } else {
      return rt::memhash64(std::hash<K>()(key), seed);
    }
  }
};

namespace detail {

template <class K>
constexpr bool hashable();

template <class Tuple, size_t... I>
constexpr bool parts_hashable(std::index_sequence<I...>) {
  return (hashable<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>() && ...);
}

// Whether Hash<K> can be called.
template <class K>
constexpr bool hashable() {
  if constexpr (!requires { typename Hash<K>::Unspecialised; }) {
    return true;
  } else if constexpr (std::is_scalar_v<K> && !std::is_member_pointer_v<K>) {
    return true;
  } else if constexpr (std::convertible_to<const K&, std::string_view>) {
    return true;
  } else if constexpr (requires { std::tuple_size<K>::value; }) {
    return parts_hashable<K>(std::make_index_sequence<std::tuple_size_v<K>>());
  } else {
    return requires(const K& key) { std::hash<K>()(key); };
  }
}

}  // namespace detail
}  // namespace reprise
