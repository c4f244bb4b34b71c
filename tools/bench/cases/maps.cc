// Maps from numbers to numbers, one from text: found, not found, filled, walked, emptied.
#include <reprise/map.h>

#include <string>
#include <vector>

#include "tools/bench/cases/case.h"

namespace reprise::bench {

namespace {

constexpr uint64_t kEntries = 100'000;
constexpr uint64_t kStride = 0x9e37;

Map<uint64_t, uint64_t> filled() {
  Map<uint64_t, uint64_t> map;
  for (uint64_t i = 0; i < kEntries; ++i) map[i * kStride] = 1;
  return map;
}

uint64_t batches_of(uint64_t ops) { return ops / kEntries + 1; }

}  // namespace

void map_hit(Run& run) {
  const auto map = filled();
  uint64_t sum = 0, i = 0;
  run.start();
  for (uint64_t n = 0; n < run.ops; ++n) {
    if (const uint64_t* const value = map.find(i * kStride)) sum += *value;
    if (++i == kEntries) i = 0;
  }
  run.stop();
  run.check(sum == run.ops, "map_hit: all were found");
}

void map_hit_text(Run& run) {
  std::vector<std::string> keys;
  Map<std::string, uint64_t> map;
  for (uint64_t i = 0; i < 1000; ++i) {
    keys.push_back("key number " + std::to_string(i));
    map[keys.back()] = 1;
  }
  uint64_t sum = 0, i = 0;
  run.start();
  for (uint64_t n = 0; n < run.ops; ++n) {
    if (const uint64_t* const value = map.find(keys[i])) sum += *value;
    if (++i == keys.size()) i = 0;
  }
  run.stop();
  run.check(sum == run.ops, "map_hit_text: all were found");
}

void map_miss(Run& run) {
  const auto map = filled();
  uint64_t found = 0, i = 0;
  run.start();
  for (uint64_t n = 0; n < run.ops; ++n) {
    if (map.contains(i * kStride + 1)) ++found;
    if (++i == kEntries) i = 0;
  }
  run.stop();
  run.check(found == 0, "map_miss: none was found");
}

// Maps that grow from nothing to a hundred thousand entries.
void map_insert(Run& run) {
  const uint64_t batches = batches_of(run.ops);
  uint64_t entries = 0;
  run.start();
  for (uint64_t batch = 0; batch < batches; ++batch) entries += filled().len();
  run.stop();
  run.did(batches * kEntries);
  run.check(entries == batches * kEntries, "map_insert: entries");
}

// An entry is one operation.
void map_iterate(Run& run) {
  const auto map = filled();
  const uint64_t batches = batches_of(run.ops);
  uint64_t sum = 0;
  run.start();
  for (uint64_t batch = 0; batch < batches; ++batch) {
    for (auto [key, value] : map) sum += key + value;
  }
  run.stop();
  run.did(batches * kEntries);
  run.check(sum == batches * (kStride * (kEntries * (kEntries - 1) / 2) + kEntries), "map_iterate: sum");
}

// An entry goes and another comes.
void map_delete(Run& run) {
  const auto map = filled();
  uint64_t gone = 0;
  run.start();
  for (uint64_t i = 0; i < run.ops; ++i) {
    if (map.contains(i * kStride)) ++gone;
    map.erase(i * kStride);
    map[(i + kEntries) * kStride] = 1;
  }
  run.stop();
  run.check(gone == run.ops && map.len() == kEntries, "map_delete: entries");
}

}  // namespace reprise::bench
