// What maps cost: hit, miss, insertion, deletion, iteration, with numbers and text for keys.
#include <benchmark/benchmark.h>
#include <reprise/map.h>

#include <string>
#include <vector>

namespace {

using namespace reprise;

template <class K>
K key_of(int64_t i) {
  if constexpr (std::is_same_v<K, int64_t>) {
    return i * 0x9e37;
  } else {
    return "key number " + std::to_string(i);
  }
}

template <class K>
std::vector<K> keys(int64_t first, int64_t count) {
  std::vector<K> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(key_of<K>(first + i));
  return all;
}

template <class M, class K>
void map_find(benchmark::State& state, int64_t first) {
  M map;
  for (const K& k : keys<K>(0, state.range(0))) map[k] = 1;
  const std::vector<K> asked = keys<K>(first, state.range(0));
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(map.find(asked[i]));
    if (++i == asked.size()) i = 0;
  }
}

template <class K>
void map_hit(benchmark::State& state) {
  map_find<Map<K, int64_t>, K>(state, 0);
}
template <class K>
void map_miss(benchmark::State& state) {
  map_find<Map<K, int64_t>, K>(state, 1 << 30);
}
void bucket_map_hit(benchmark::State& state) { map_find<BucketMap<int64_t, int64_t>, int64_t>(state, 0); }
void bucket_map_miss(benchmark::State& state) { map_find<BucketMap<int64_t, int64_t>, int64_t>(state, 1 << 30); }
BENCHMARK(bucket_map_hit)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(bucket_map_miss)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_hit<int64_t>)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_miss<int64_t>)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_hit<std::string>)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_miss<std::string>)->Arg(1000);

// One item is one insertion into a map that grows from nothing.
template <class M>
void map_grow(benchmark::State& state) {
  for (auto _ : state) {
    M map;
    for (int64_t i = 0; i < state.range(0); ++i) map[i] = i;
    benchmark::DoNotOptimize(map.len());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(map_grow<Map<int64_t, int64_t>>)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_grow<BucketMap<int64_t, int64_t>>)->Arg(6)->Arg(1000)->Arg(100'000);

void map_insert_and_erase(benchmark::State& state) {
  Map<int64_t, int64_t> map;
  for (int64_t i = 0; i < state.range(0); ++i) map[i] = i;
  int64_t i = 0;
  for (auto _ : state) {
    map.erase(i);
    map[i + state.range(0)] = i;
    ++i;
  }
}
BENCHMARK(map_insert_and_erase)->Arg(1000)->Arg(100'000);

template <class M>
void map_iterate(benchmark::State& state) {
  M map;
  for (int64_t i = 0; i < state.range(0); ++i) map[i] = i;
  int64_t sum = 0;
  for (auto _ : state) {
    for (auto [key, value] : map) sum += key ^ value;
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(map_iterate<Map<int64_t, int64_t>>)->Arg(6)->Arg(1000)->Arg(100'000);
BENCHMARK(map_iterate<BucketMap<int64_t, int64_t>>)->Arg(6)->Arg(1000)->Arg(100'000);

}  // namespace
