// Map: against a model, under iteration and growth, with keys of every sort.
#include <reprise/map.h>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <reprise/defer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace reprise {
namespace {

template <class F>
void check(const char* claim, F f) {
  EXPECT_TRUE(rc::check(claim, std::move(f)));
}

// Every test is of both maps.
struct Swiss {
  static constexpr const char* name = "Swiss";
  template <class K, class V, class H>
  using Map = reprise::Map<K, V, H>;
};
struct Bucket {
  static constexpr const char* name = "Bucket";
  template <class K, class V, class H>
  using Map = reprise::BucketMap<K, V, H>;
};
template <class Kind, class K, class V, class H = Hash<K>>
using MapOf = typename Kind::template Map<K, V, H>;

struct KindNames {
  template <class Kind>
  static std::string GetName(int) {
    return Kind::name;
  }
};
template <class>
class MapTest : public testing::Test {};
template <class Kind>
class MapModel : public MapTest<Kind> {};
template <class Kind>
class MapIteration : public MapTest<Kind> {};
template <class Kind>
class MapKeys : public MapTest<Kind> {};
template <class Kind>
class Maps : public MapTest<Kind> {};
using Kinds = testing::Types<Swiss, Bucket>;
TYPED_TEST_SUITE(MapModel, Kinds, KindNames);
TYPED_TEST_SUITE(MapIteration, Kinds, KindNames);
TYPED_TEST_SUITE(MapKeys, Kinds, KindNames);
TYPED_TEST_SUITE(Maps, Kinds, KindNames);

// ---- against a model -----------------------------------------------------------------------------------

struct SevenHashes {
  uint64_t operator()(int key, uint64_t) const { return static_cast<uint64_t>(key % 7) << 60; }
};
struct OneHash {
  uint64_t operator()(int, uint64_t) const { return 0x55; }
};

template <class M, class Key, class Value>
void million_operations(uint32_t seed, int keys, int operations, Key key, Value value) {
  std::mt19937 random(seed);
  M map;
  std::map<int, int> model;
  for (int i = 0; i < operations; ++i) {
    const int k = static_cast<int>(random() % static_cast<uint32_t>(keys));
    const auto it = model.find(k);
    switch (random() % 8) {
      case 0: case 1: case 2:
        map.set(key(k), value(i));
        model[k] = i;
        break;
      case 3: case 4:
        ASSERT_EQ(map.erase(key(k)), it != model.end());
        if (it != model.end()) model.erase(it);
        break;
      default: {
        auto* const found = map.find(key(k));
        ASSERT_EQ(found != nullptr, it != model.end()) << k;
        if (found != nullptr) { ASSERT_EQ(*found, value(it->second)); }
      }
    }
    ASSERT_EQ(map.len(), model.size());
    if (random() % 100'000 == 0) {
      map.clear();
      model.clear();
    }
  }
  size_t seen = 0;
  for (auto [k, v] : map) {
    (void)k, (void)v;
    ++seen;
  }
  EXPECT_EQ(seen, model.size());
}

constexpr auto same = [](int i) { return i; };
constexpr auto text = [](int i) { return "a key that is longer than a small string, number " + std::to_string(i); };

TYPED_TEST(MapModel, a_million_operations_on_numbers) {
  for (const int keys : {10, 100, 5000, 300'000}) {
    million_operations<MapOf<TypeParam, int, int>>(static_cast<uint32_t>(keys), keys, 250'000, same, same);
  }
}
TYPED_TEST(MapModel, strings) { million_operations<MapOf<TypeParam, std::string, std::string>>(2, 3000, 200'000, text, text); }
TYPED_TEST(MapModel, keys_that_collide_in_seven_heaps) {
  million_operations<MapOf<TypeParam, int, int, SevenHashes>>(3, 100, 50'000, same, same);
}
TYPED_TEST(MapModel, keys_that_all_collide) {
  million_operations<MapOf<TypeParam, int, int, OneHash>>(4, 60, 20'000, same, same);
}

struct Large {
  std::array<char, 700> bytes{};
  int number = 0;
  explicit Large(int n) : number(n) { bytes[699] = static_cast<char>(n); }
  friend bool operator==(const Large&, const Large&) = default;
};
struct LargeHash {
  uint64_t operator()(const Large& large, uint64_t seed) const { return rt::memhash64(static_cast<uint64_t>(large.number), seed); }
};
TYPED_TEST(MapModel, large_keys_and_values) {
  const auto large = [](int i) { return Large(i); };
  million_operations<MapOf<TypeParam, Large, Large, LargeHash>>(5, 2000, 50'000, large, large);
}

// ---- iteration -----------------------------------------------------------------------------------------

// While one iterates, entries come and go: those that stay are seen exactly once, the deleted never
// after, and nothing twice.
template <class M>
void iterate_and_change(int size, std::mt19937& random) {
  M map;
  for (int i = 0; i < size; ++i) map.set(i, i);
  std::set<int> stay;
  for (int i = 0; i < size; ++i) stay.insert(i);
  std::set<int> deleted, seen;
  int fresh = size;
  const auto change = [&] {
    const int k = static_cast<int>(random() % static_cast<uint32_t>(size));
    switch (random() % 4) {
      case 0:
        if (map.erase(k)) {
          stay.erase(k);
          deleted.insert(k);
        }
        break;
      case 1:
        if (stay.count(k) != 0) map.set(k, k);  // one that was deleted would be an entry of its own
        break;
      default:
        map.set(fresh, fresh);
        ++fresh;
    }
  };
  for (auto [key, value] : map) {
    RC_ASSERT(seen.insert(key).second);
    RC_ASSERT(deleted.count(key) == 0u);
    (void)value;
    for (uint32_t n = random() % 4; n != 0 && stay.size() > 1; --n) change();
  }
  for (const int k : stay) RC_ASSERT(seen.count(k) == 1u);
}

TYPED_TEST(MapIteration, sees_what_stays_once_and_what_was_deleted_never) {
  check("iteration under change", [] {
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    iterate_and_change<MapOf<TypeParam, int, int>>(*rc::gen::inRange(2, 3000), random);
  });
}

TYPED_TEST(MapIteration, the_same_with_keys_that_own_memory) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    MapOf<TypeParam, std::string, std::unique_ptr<int>> map;
    std::set<std::string> stay;
    for (int i = 0; i < 500; ++i) {
      map.set(text(i), std::make_unique<int>(i));
      stay.insert(text(i));
    }
    std::multiset<std::string> seen;
    int fresh = 500;
    for (auto [key, value] : map) {
      ASSERT_NE(value, nullptr);
      ASSERT_EQ(key, text(*value));
      seen.insert(key);
      for (int i = 0; i < 6; ++i, ++fresh) map.set(text(fresh), std::make_unique<int>(fresh));
      const std::string gone = text(static_cast<int>(random() % 500));
      if (seen.count(gone) == 0 && map.erase(gone)) stay.erase(gone);
    }
    for (const std::string& k : stay) EXPECT_EQ(seen.count(k), 1u);
    for (const std::string& k : seen) EXPECT_EQ(seen.count(k), 1u);
  }
}

TYPED_TEST(MapIteration, two_at_once_and_a_third_from_within) {
  MapOf<TypeParam, int, int> map;
  for (int i = 0; i < 100; ++i) map.set(i, i);
  size_t pairs = 0;
  for (auto [a, x] : map) {
    for (auto [b, y] : map) pairs += static_cast<size_t>(a == x) & static_cast<size_t>(b == y);
  }
  EXPECT_EQ(pairs, 10'000u);
  int sum = 0;
  for (auto [key, value] : map) {
    sum += value;
    const int k = key;
    for (int i = 0; k < 100 && i < 50; ++i) map.set(1000 + 50 * k + i, 0);
  }
  EXPECT_EQ(sum, 4950);
}

TYPED_TEST(MapIteration, deleting_everything_as_it_is_met_ends_with_an_empty_map) {
  MapOf<TypeParam, int, int> map;
  for (int i = 0; i < 10'000; ++i) map.set(i, i);
  int met = 0;
  for (auto [key, value] : map) {
    const int k = key;
    (void)value;
    EXPECT_TRUE(map.erase(k));
    ++met;
  }
  EXPECT_EQ(met, 10'000);
  EXPECT_EQ(map.len(), 0u);
}

TYPED_TEST(MapIteration, clearing_in_the_middle_ends_it) {
  MapOf<TypeParam, int, int> map;
  for (int i = 0; i < 5000; ++i) map.set(i, i);
  int met = 0;
  for (auto [key, value] : map) {
    (void)key, (void)value;
    if (++met == 10) map.clear();
  }
  EXPECT_EQ(met, 10);
}

TYPED_TEST(MapIteration, orders_differ) {
  MapOf<TypeParam, int, int> map;
  for (int i = 0; i < 16; ++i) map.set(i, i);
  std::set<int> first;
  for (int round = 0; round < 200; ++round) first.insert((*map.begin()).key);
  EXPECT_GT(first.size(), 8u);  // 16 are equally likely: fewer than 9 in 200 has a chance below 1e-20
}

TYPED_TEST(MapIteration, keeps_the_map_alive) {
  const auto token = std::make_shared<int>(0);
  MapOf<TypeParam, int, std::shared_ptr<int>> map{{1, token}, {2, token}, {3, token}};
  int met = 0;
  for (auto [key, value] : map) {
    map = MapOf<TypeParam, int, std::shared_ptr<int>>(nullptr);
    EXPECT_EQ(value, token);
    met += key;
  }
  EXPECT_EQ(met, 6);
  EXPECT_EQ(token.use_count(), 1);
}

// Iterators that began at any time, also in the middle of growth, while entries come and go. Each must see once what has
// been there since it began, and never what is not there.
template <class M>
struct Watched {
  typename M::Iterator at;
  std::set<int> owed;  // keys that have been there since its start
  std::set<int> seen;

  Watched(const M& map, const std::set<int>& keys) : at(map), owed(keys) { look(keys); }
  // False at the end.
  bool step(const std::set<int>& keys) {
    ++at;
    return look(keys);
  }

 private:
  // At once: what it refers to holds until the next write.
  bool look(const std::set<int>& keys) {
    if (at == std::default_sentinel) {
      RC_ASSERT(std::includes(seen.begin(), seen.end(), owed.begin(), owed.end()));
      return false;
    }
    const int key = (*at).key;
    RC_ASSERT((*at).value == key);
    RC_ASSERT(keys.count(key) == 1u);
    RC_ASSERT(seen.insert(key).second || owed.count(key) == 0u);
    return true;
  }
};

template <class M>
void iterate_at_any_time(std::mt19937& random) {
  M map;
  std::set<int> keys;
  std::vector<std::unique_ptr<Watched<M>>> iterators;
  int low = 0, high = 0;
  const uint32_t window = 1 + random() % 400;  // keys move on: the same number of entries, in other buckets
  for (int i = 0; i < 3000; ++i) {
    if (high - low < static_cast<int>(window) || random() % 3 == 0) {
      map.set(high, high);
      keys.insert(high++);
    } else if (low < high) {
      RC_ASSERT(map.erase(low));
      keys.erase(low);
      for (const auto& it : iterators) it->owed.erase(low);
      ++low;
    }
    if (iterators.size() < 4 && random() % 16 == 0) iterators.push_back(std::make_unique<Watched<M>>(map, keys));
    if (iterators.empty() || random() % 2 == 0) continue;
    const size_t chosen = random() % iterators.size();
    Watched<M>& it = *iterators[chosen];
    if (it.at == std::default_sentinel || !it.step(keys)) iterators.erase(iterators.begin() + static_cast<ptrdiff_t>(chosen));
  }
}

TYPED_TEST(MapIteration, may_begin_at_any_time) {
  check("iterators that began at any time", [] {
    std::mt19937 random(*rc::gen::arbitrary<uint32_t>());
    iterate_at_any_time<MapOf<TypeParam, int, int>>(random);
  });
}

// ---- floating-point keys -------------------------------------------------------------------------------

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TYPED_TEST(MapKeys, zeros_are_one_key_and_nans_are_each_their_own) {
  MapOf<TypeParam, double, int> map;
  map[0.0] = 1;
  EXPECT_EQ(map[-0.0], 1);
  for (int i = 0; i < 3000; ++i) map.set(kNan, i);
  EXPECT_EQ(map.len(), 3001u);
  EXPECT_EQ(map.find(kNan), nullptr);
  EXPECT_FALSE(map.erase(kNan));
  std::set<int> values;
  for (auto [key, value] : map) {
    if (key != key) values.insert(value);
  }
  EXPECT_EQ(values.size(), 3000u);
  map.clear();
  EXPECT_EQ(map.len(), 0u);
}

TYPED_TEST(MapKeys, nans_are_seen_once_while_the_map_grows) {
  for (int round = 0; round < 20; ++round) {
    MapOf<TypeParam, double, int> map;
    for (int i = 0; i < 200; ++i) map.set(kNan, i);
    std::multiset<int> values;
    int fresh = 1000;
    for (auto [key, value] : map) {
      if (value < 200) values.insert(value);
      (void)key;
      for (int i = 0; i < 10 && fresh < 5000; ++i, ++fresh) map.set(fresh, fresh);
    }
    EXPECT_EQ(values.size(), 200u);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(values.count(i), 1u);
  }
}

// Only moves, and remembers that it was moved away.
struct Mover {
  int number;
  bool here = true;
  explicit Mover(int n) : number(n) {}
  Mover(Mover&& other) noexcept : number(other.number) { leave(other); }
  Mover& operator=(Mover&& other) noexcept {
    number = other.number;
    leave(other);
    return *this;
  }
  ~Mover() { leave(*this); }
  // Seen even where the compiler knows that an object ends.
  static void leave(Mover& m) { *const_cast<volatile bool*>(&m.here) = false; }
};

// Values that cannot be copied cannot stay behind either: what an iterator does not show is still in the map.
TYPED_TEST(MapKeys, nans_in_larger_keys_with_values_that_only_move) {
  MapOf<TypeParam, std::pair<double, int>, Mover> map;
  for (int i = 0; i < 200; ++i) map.set({kNan, i}, Mover(i));
  std::multiset<int> seen;
  int fresh = 0;
  for (auto [key, value] : map) {
    ASSERT_TRUE(value.here);
    if (std::isnan(key.first)) seen.insert(value.number);
    for (int i = 0; i < 20 && fresh < 5000; ++i, ++fresh) map.set({fresh, 0}, Mover(-1));
  }
  EXPECT_EQ(map.len(), 200u + static_cast<unsigned>(fresh));
  for (const int value : seen) EXPECT_EQ(seen.count(value), 1u);
}

TYPED_TEST(MapKeys, pairs_pointers_enums_and_text) {
  enum class Colour { red, green };
  static const int here = 0;
  MapOf<TypeParam, std::pair<int, std::string>, int> pairs;
  pairs[{1, "a"}] = 1;
  pairs[{1, "b"}] = 2;
  pairs[{2, "a"}] = 3;
  EXPECT_EQ((pairs[{1, "b"}]), 2);
  EXPECT_EQ(pairs.len(), 3u);
  MapOf<TypeParam, const int*, Colour> pointers{{&here, Colour::green}, {nullptr, Colour::red}};
  EXPECT_EQ(pointers.get(&here), Colour::green);
  MapOf<TypeParam, Colour, int> colours;
  ++colours[Colour::red];
  EXPECT_EQ(colours[Colour::red], 1);
  EXPECT_EQ(colours[Colour::green], 0);
}

struct NoHash {
  uint64_t operator()(std::string_view, uint64_t) const { return 1; }
};

// Only comparing tells them apart.
TYPED_TEST(MapKeys, texts_that_all_collide) {
  for (size_t length = 0; length <= 70; ++length) {
    const std::string base(length, 'x');
    MapOf<TypeParam, std::string, size_t, NoHash> map;
    map[base] = length;
    EXPECT_EQ(map.get(base), length);
    EXPECT_FALSE(map.contains(base + 'x'));
    for (size_t i = 0; i < length; ++i) {
      std::string other = base;
      other[i] = 'y';
      EXPECT_FALSE(map.contains(other)) << length << " " << i;
      map[other] = i;
      EXPECT_EQ(map.get(other), i);
    }
    EXPECT_EQ(map.len(), length + 1);
    EXPECT_EQ(map.get(base), length);
  }
}

TYPED_TEST(MapKeys, views_are_compared_by_what_they_show) {
  const std::string shown = "where a view looks does not matter, what it shows does";
  MapOf<TypeParam, std::string_view, size_t> map;
  for (size_t length = 0; length < 40; ++length) map[std::string_view(shown).substr(0, length)] = length;
  const std::string copy = shown;
  for (size_t length = 0; length < 40; ++length) {
    EXPECT_EQ(map.get(std::string_view(copy).substr(0, length)), length);
    EXPECT_EQ(map.contains(std::string_view(copy).substr(1, length)), length == 0);
  }
}

TEST(MapText, short_texts_are_the_same_if_every_byte_is) {
  for (size_t length = 0; length <= 32; ++length) {
    const std::vector<char> a(length, 'x');  // not a string: a byte behind it is found
    std::vector<char> b = a;
    EXPECT_TRUE(rt::same_short_text(a.data(), b.data(), length));
    for (char& byte : b) {
      for (int bit = 0; bit < 8; ++bit) {
        byte = static_cast<char>('x' ^ 1 << bit);
        EXPECT_FALSE(rt::same_short_text(a.data(), b.data(), length));
      }
      byte = 'x';
    }
  }
  EXPECT_FALSE(rt::same_short_text(std::string(33, 'x').data(), std::string(33, 'x').data(), 33));
}

// ---- the hash ------------------------------------------------------------------------------------------

TEST(MapHash, every_length_and_every_byte_counts) {
  std::set<uint64_t> hashes;
  size_t made = 0;
  for (size_t length = 0; length <= 300; ++length) {
    std::string bytes(length, 'x');
    hashes.insert(rt::memhash(bytes.data(), length, 1));
    ++made;
    for (size_t i = 0; i < length; ++i) {
      bytes[i] ^= 1;
      hashes.insert(rt::memhash(bytes.data(), length, 1));
      ++made;
      bytes[i] ^= 1;
    }
  }
  EXPECT_EQ(hashes.size(), made);  // 45,451 of 2^64: a collision by chance has probability 6e-11
}

TEST(MapHash, reads_only_its_bytes_and_depends_on_the_seed) {
  for (size_t length = 0; length <= 200; ++length) {
    std::vector<char> bytes(length + 1, 'y');
    const uint64_t hash = rt::memhash(bytes.data(), length, 9);
    bytes[length] = 'z';
    EXPECT_EQ(rt::memhash(bytes.data(), length, 9), hash);
    EXPECT_NE(rt::memhash(bytes.data(), length, 10), hash);
  }
}

// Low bits choose slots, high bits tables: both must be even for keys as programs have them.
TEST(MapHash, spreads_consecutive_and_strided_numbers_evenly) {
  for (const uint64_t stride : {uint64_t{1}, uint64_t{8}, uint64_t{4096}, uint64_t{1} << 32}) {
    std::vector<int> low(256), high(256);
    constexpr int kKeys = 256 * 100;
    for (uint64_t i = 0; i < kKeys; ++i) {
      const uint64_t hash = rt::memhash64(i * stride, 0x1234);
      ++low[hash & 255];
      ++high[hash >> 56];
    }
    // Chi-square with 255 degrees of freedom: above 400 has a chance of 1e-8.
    for (const auto& counts : {low, high}) {
      double chi = 0;
      for (const int n : counts) chi += (n - 100.0) * (n - 100.0) / 100.0;
      EXPECT_LT(chi, 400.0) << stride;
    }
  }
}

// ---- the handle ----------------------------------------------------------------------------------------

TYPED_TEST(Maps, is_a_shared_reference) {
  const MapOf<TypeParam, int, int> a;
  const MapOf<TypeParam, int, int> b = a;
  b[1] = 5;
  EXPECT_EQ(a[1], 5);
  EXPECT_EQ(a, b);
}

TYPED_TEST(Maps, nil_is_empty_to_readers_and_panics_for_writers) {
  const MapOf<TypeParam, int, int> nil(nullptr);
  EXPECT_FALSE(nil);
  EXPECT_EQ(nil.len(), 0u);
  EXPECT_EQ(nil.find(1), nullptr);
  EXPECT_FALSE(nil.erase(1));
  nil.clear();
  for (auto [key, value] : nil) ADD_FAILURE() << key << value;
  std::string error;
  recovering([&] {
    DEFER { error = recover().text(); };
    nil[1] = 2;
  });
  EXPECT_EQ(error, "assignment to entry in nil map");
}

TYPED_TEST(Maps, hints_make_room_of_any_size) {
  for (const size_t hint : {0, 1, 16, 17, 900, 5000, 100'000}) {
    MapOf<TypeParam, int, int> map(hint);
    for (int i = 0; i < 6000; ++i) map[i] = i;
    for (int i = 0; i < 6000; ++i) ASSERT_EQ(map.get(i), i);
  }
}

struct Throws {
  int key;
  explicit Throws(int k) : key(k) {}
  Throws(const Throws& other) : key(other.key) {
    if (key == 13) throw std::runtime_error("unlucky");
  }
  friend bool operator==(const Throws&, const Throws&) = default;
};
struct ThrowsHash {
  uint64_t operator()(const Throws& t, uint64_t seed) const { return rt::memhash64(static_cast<uint64_t>(t.key), seed); }
};

TYPED_TEST(Maps, an_entry_that_cannot_be_made_leaves_the_map_as_it_was) {
  MapOf<TypeParam, Throws, int, ThrowsHash> map;
  const Throws good(1), bad(13);
  map[good] = 1;
  for (int i = 0; i < 100; ++i) EXPECT_THROW(map[bad], std::runtime_error);
  EXPECT_EQ(map.len(), 1u);
  EXPECT_EQ(map[good], 1);
}

TYPED_TEST(Maps, destroys_each_entry_once) {
  const auto token = std::make_shared<int>(0);
  {
    MapOf<TypeParam, int, std::shared_ptr<int>> map;
    for (int i = 0; i < 3000; ++i) map.set(i, token);
    for (int i = 0; i < 1000; ++i) map.erase(i);
    for (auto [key, value] : map) {
      EXPECT_EQ(value, token);
      if (key == 2000) {
        for (int i = 5000; i < 9000; ++i) map.set(i, token);
      }
    }
    EXPECT_EQ(token.use_count(), 1 + 2000 + 4000);
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace reprise
