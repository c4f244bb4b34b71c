// Go's runtime/map_test.go, where the unit tests of maps do not have it already.
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "tests/go/behaviour.h"

namespace reprise {
namespace {

using test::rounds;

TEST(MapAssignment, operators_change_the_value_in_place) {
  Map<int, int> numbers;
  numbers[0] = 8;
  numbers[0] *= 7;
  numbers[0] += 4;
  numbers[0] ^= 1;
  EXPECT_EQ(numbers[0], (8 * 7 + 4) ^ 1);
  Map<int, std::vector<int>> lists;
  for (int i = 0; i < 3; ++i) lists[i % 2].push_back(i);
  EXPECT_EQ(lists[0], (std::vector<int>{0, 2}));
  EXPECT_EQ(lists[1], (std::vector<int>{1}));
}

TEST(MapGrowth, a_negative_zero_is_found_as_zero_while_the_map_grows) {
  Map<double, int> map;
  map[-0.0] = 1;
  for (int i = 1; i < 100; ++i) map[i] = i;
  int zeros = 0;
  int added = 0;
  for (auto [key, value] : map) {
    if (key == 0) zeros += value;
    if (added < 2000) {
      for (int i = 0; i < 20; ++i, ++added) map[1000 + added] = 0;
    }
  }
  EXPECT_EQ(zeros, 1);
  map[0.0] = 5;
  EXPECT_EQ(map[-0.0], 5);
  EXPECT_TRUE(map.erase(-0.0));
  EXPECT_FALSE(map.contains(0.0));
}

TEST(MapReaders, goroutines_read_at_once_after_growth) {
  const int readers = 8;
  for (const int size : {1, 10, rounds(3000, 100)}) {
    Map<int, int> map;
    for (int i = 0; i < size; ++i) map[i] = i;
    WaitGroup all(readers);
    std::atomic<int> wrong{0};
    for (int g = 0; g < readers; ++g) {
      go([=, &wrong]() mutable {
        int sum = 0;
        for (auto [key, value] : map) sum += value - key;
        for (int i = 0; i < size; ++i) sum += *map.find(i) - i;
        if (sum != 0) ++wrong;
        all.done();
      });
    }
    all.wait();
    EXPECT_EQ(wrong, 0);
  }
}

TEST(MapKeysOfNothing, keys_and_values_may_be_empty) {
  struct Nothing {
    bool operator==(const Nothing&) const { return true; }
  };
  struct NothingHash {
    uint64_t operator()(const Nothing&, uint64_t seed) const { return seed; }
  };
  Map<int, Nothing> values;
  Map<Nothing, int, NothingHash> keys;
  Map<Nothing, Nothing, NothingHash> both;
  values[0];
  keys[Nothing()] = 1;
  keys[Nothing()] = 2;
  both[Nothing()];
  EXPECT_EQ(values.len(), 1u);
  EXPECT_EQ(keys.len(), 1u);
  EXPECT_EQ(keys[Nothing()], 2);
  EXPECT_EQ(both.len(), 1u);
}

TEST(MapSmall, text_of_equal_and_of_different_lengths_is_told_apart) {
  for (const bool same_length : {true, false}) {
    Map<std::string, bool> map;
    std::vector<std::string> keys;
    for (int i = 0; i < 8; ++i) keys.push_back(same_length ? std::string("x1x") + char('a' + i) : std::string(size_t(i) + 1, 'x'));
    for (const std::string& key : keys) map[key] = true;
    EXPECT_EQ(map.len(), keys.size());
    for (const std::string& key : keys) EXPECT_TRUE(map.contains(key));
    EXPECT_FALSE(map.contains("x1xz"));
    EXPECT_FALSE(map.contains(""));
  }
}

TEST(MapOrder, what_is_left_of_a_large_map_is_iterated_in_many_orders) {
  std::set<int> first;
  const int runs = rounds(60, 20);
  Map<int, bool> map;
  for (int i = 0; i < 1000; ++i) map[i] = true;
  for (int i = 20; i < 1000; ++i) map.erase(i);
  for (int i = 0; i < runs; ++i) first.insert((*map.begin()).key);
  EXPECT_GT(first.size(), 1u);  // 20 entries: all first alike in 20 runs has a chance below 1e-24
}

TEST(MapDelete, deferred_deletions_empty_the_map) {
  Map<int, bool> map;
  recovering([&] {
    Defers defers;
    for (int i = 0; i < 15; ++i) {
      map[i] = true;
      defers([map, i] { map.erase(i); });
    }
  });
  EXPECT_EQ(map.len(), 0u);
}

template <class K, class V>
void increments_from_zero(K one, K other, V addend) {
  Map<K, V> map;
  map[one] = addend;
  map.erase(one);
  map[other] += addend;
  EXPECT_EQ(map[other], addend);
  map[one] += addend;
  EXPECT_EQ(map[one], addend);
  map.clear();
  map[one] += addend;
  EXPECT_EQ(map[one], addend);
  EXPECT_EQ(map.len(), 1u);
}
TEST(MapDelete, a_value_after_deletion_starts_anew) {
  increments_from_zero<int, int>(99, 100, 12);
  increments_from_zero<int, int32_t>(99, 100, 12);
  increments_from_zero<int, int64_t>(99, 100, 12);
  increments_from_zero<std::string, int>("99", "100", 12);
  increments_from_zero<std::string, std::string>("99", "100", "12");
}

}  // namespace
}  // namespace reprise
