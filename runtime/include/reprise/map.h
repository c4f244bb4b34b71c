// Map: the reference's map. A shared reference; reading, writing, deleting and iterating as in Go.
//
//   reprise::Map<std::string, int> ages;
//   ages["ada"] = 36;
//   if (int* age = ages.find("ada")) ++*age;
//   for (auto [name, age] : ages) std::printf("%s %d\n", name.c_str(), age);
//
// Iteration starts anywhere and goes in an order that is drawn anew each time (a decision in controlled runs, so a
// replay repeats it). Entries may be added and deleted meanwhile: one deleted before it was reached is not
// seen, one added may or may not be, every other is seen exactly once. Floating-point keys compare as
// numbers: +0 is -0, and a NaN is never found again, only iterated over and cleared.
//
// Thread safety: none; a write beside another use is a fatal error when noticed ("concurrent map writes"). Guard
// it with a Mutex. Does not block. Pointers and references to values hold until the next write.
//
// Ownership: the entries are the map's, destroyed with the last handle. Keys are copied when the map grows under an
// iterator, values never, but those of NaN keys (which an iteration may miss after growth if they cannot be
// copied). Not before the runtime is up (static constructors): fatal.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <reprise/hash.h>

#include "runtime/map/bucket.h"
#include "runtime/map/same_text.h"
#include "runtime/map/swiss.h"

namespace reprise {

namespace detail {

template <class K>
inline constexpr bool kIsText = std::is_same_v<K, std::string_view>;
template <class Allocator>
inline constexpr bool kIsText<std::basic_string<char, std::char_traits<char>, Allocator>> = true;

template <class K, class V, class H, class Equal>
struct MapSlot {
  struct Slot {
    K key;
    V value;
  };
  static constexpr size_t slot_size = sizeof(Slot);
  static constexpr size_t slot_align = alignof(Slot);
  // Whether entries whose keys differ from themselves stay whole where an iterator is.
  static constexpr bool keeps_strange = std::is_copy_constructible_v<V>;

  static Slot& at(void* slot) { return *static_cast<Slot*>(slot); }
  static const K& key(const void* key) { return *static_cast<const K*>(key); }

  uint64_t hash(const void* k, uint64_t seed) const { return H()(key(k), seed); }
  bool equal(const void* a, const void* b) const { return Equal()(key(a), key(b)); }

  // Keys that are equal if their bytes are.
  static constexpr bool has_quick_equal =
      kIsText<K> && (std::is_same_v<Equal, std::equal_to<K>> || std::is_same_v<Equal, std::equal_to<>>);
  static bool quick_equal(const void* a, const void* b) {
    return key(a).size() == key(b).size() && rt::same_short_text(key(a).data(), key(b).data(), key(a).size());
  }

  static void relocate(void* to, void* from) {
    new (to) Slot{std::move(at(from).key), std::move(at(from).value)};
    at(from).~Slot();
  }
  void relocate_keeping_key(void* to, void* from) const {
    if constexpr (keeps_strange) {
      if (!equal(from, from)) {
        new (to) Slot(at(from));
        return;
      }
    }
    new (to) Slot{at(from).key, std::move(at(from).value)};
    at(from).value.~V();
  }
  static void destroy(void* slot) { at(slot).~Slot(); }
  void destroy_kept(void* slot) const {
    if constexpr (keeps_strange) {
      if (!equal(slot, slot)) return destroy(slot);
    }
    at(slot).key.~K();
  }
};

}  // namespace detail

template <class K, class V, class H = Hash<K>, class Equal = std::equal_to<K>,
          template <class> class CoreOf = rt::SwissMap>
class Map {
  static_assert(std::copy_constructible<K> && std::move_constructible<V>);
  static_assert(!std::is_floating_point_v<K> || std::copy_constructible<V>,
                "values of NaN keys are copied when a map grows under an iterator");
  using Type = detail::MapSlot<K, V, H, Equal>;
  using Core = CoreOf<Type>;

 public:
  struct Entry {
    const K& key;
    V& value;
  };

  // An empty map with room for `hint` entries.
  explicit Map(size_t hint = 0) : state_(new State(hint)) {}
  Map(std::initializer_list<std::pair<K, V>> entries) : Map(entries.size()) {
    for (const auto& [key, value] : entries) set(key, value);
  }
  // No map: empty to readers, and a write panics.
  template <std::same_as<std::nullptr_t> Nil>
  Map(Nil) : state_(nullptr) {}

  Map(const Map& other) : state_(other.state_) {
    // Relaxed: whoever copies holds a reference already.
    if (state_ != nullptr) state_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Map(Map&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Map& operator=(Map other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  // Acquire and release: who destroys sees what the others did.
  ~Map() {
    if (state_ != nullptr && state_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state_;
  }

  explicit operator bool() const { return state_ != nullptr; }
  friend bool operator==(const Map& a, const Map& b) { return a.state_ == b.state_; }  // the same map

  size_t len() const { return state_ != nullptr ? state_->core.size() : 0; }

  // The value, or null. Valid until the next write.
  V* find(const K& key) const {
    void* const slot = state_ != nullptr ? state_->core.find(&key) : nullptr;
    return slot != nullptr ? &Type::at(slot).value : nullptr;
  }
  bool contains(const K& key) const { return find(key) != nullptr; }
  std::optional<V> get(const K& key) const
    requires std::copy_constructible<V>
  {
    const V* const value = find(key);
    return value != nullptr ? std::optional<V>(*value) : std::nullopt;
  }

  // The value, made if it is not there. Panics if this is no map, as the writes below.
  V& operator[](const K& key) const
    requires std::default_initializable<V>
  {
    return Type::at(core().put(&key, [&](void* slot) { new (slot) typename Type::Slot{key, V()}; })).value;
  }
  void set(const K& key, V value) const {
    bool fresh = false;
    void* const slot = core().put(&key, [&](void* s) {
      new (s) typename Type::Slot{key, std::move(value)};
      fresh = true;
    });
    if (!fresh) Type::at(slot).value = std::move(value);
  }
  // True if it was there.
  bool erase(const K& key) const { return state_ != nullptr && state_->core.erase(&key); }
  void clear() const {
    if (state_ != nullptr) state_->core.clear();
  }

  // for (auto [key, value] : map). Keeps the map alive.
  class Iterator {
   public:
    explicit Iterator(const Map& map) : map_(map) {
      if (map_.len() == 0) return;  // nothing to draw an order of
      core_.emplace(map_.state_->core);
      slot_ = core_->next();
    }
    Iterator(const Iterator&) = delete;
    Iterator& operator=(const Iterator&) = delete;

    Entry operator*() const { return {Type::at(slot_).key, Type::at(slot_).value}; }
    Iterator& operator++() {
      slot_ = core_->next();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return slot_ == nullptr; }

   private:
    const Map map_;
    std::optional<typename Core::Iterator> core_;
    void* slot_ = nullptr;
  };
  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  struct State {
    explicit State(size_t hint) : core(hint) {}
    std::atomic<size_t> refs{1};
    Core core;
  };

  Core& core() const {
    if (state_ == nullptr) rt::gopanic("assignment to entry in nil map");
    return state_->core;
  }

  State* state_;
};

// The same in the reference's older form: buckets of eight, grown by one or two with every write (runtime/map/bucket.h).
// No write moves more than two buckets; finding and iterating cost more than in a Map.
template <class K, class V, class H = Hash<K>, class Equal = std::equal_to<K>>
using BucketMap = Map<K, V, H, Equal, rt::BucketMapCore>;

}  // namespace reprise
