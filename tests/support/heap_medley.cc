// Goroutines that make and drop objects of all sizes while others are swept and pages are given back, for record and
// replay: addresses are printed, and so must be the same. Arguments: a seed, the number of rounds.
#include <reprise/go.h>
#include <reprise/main.h>
#include <reprise/mem.h>
#include <reprise/sync.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "runtime/mem/mheap.h"
#include "runtime/mem/scavenge.h"
#include "runtime/type/type.h"
#include "tests/support/pretend_collector.h"

namespace {

using namespace reprise;

constexpr rt::Type pointers{.size = 8, .ptrdata = 8, .hash = 0, .tflag = rt::kTflagConservative, .align = 8,
                            .field_align = 8, .kind_bits = 0, .equal = nullptr, .gcdata = nullptr, .name = nullptr,
                            .uncommon = nullptr, .ptr_to_this = nullptr};

// What one goroutine has; nobody else touches it but to mark.
struct Mine {
  std::mt19937 random;
  std::vector<void*> objects;
  uint64_t sum = 0;
};

size_t any_size(std::mt19937& random) {
  const auto kind = random() % 20;
  if (kind < 5) return 1 + random() % 15;
  if (kind < 18) return 1 + random() % 3000;
  return 1 + random() % 200'000;
}

void work(Mine* mine) {
  for (int i = 0; i < 300; ++i) {
    const size_t size = any_size(mine->random);
    void* const object = rt::mallocgc(size, mine->random() % 2 == 0 ? &pointers : nullptr, true);
    std::memset(object, static_cast<int>(mine->random() % 256), size);
    mine->sum = mine->sum * 31 + reinterpret_cast<uintptr_t>(object);
    mine->objects.push_back(object);
    if (mine->objects.size() > 60) {
      mine->objects[mine->random() % mine->objects.size()] = mine->objects.back();
      mine->objects.pop_back();
    }
    if (i % 8 == 0) rt::gosched();
  }
}

int medley(int argc, char** argv) {
  const auto seed = static_cast<unsigned>(argc > 1 ? std::atoi(argv[1]) : 1);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  const test::PretendCollector collector;
  std::vector<Mine> all(5);
  for (unsigned i = 0; i < all.size(); ++i) all[i].random.seed(seed * 100 + i);
  for (int round = 0; round < rounds; ++round) {
    WaitGroup group;
    group.add(static_cast<int>(all.size()));
    for (Mine& mine : all) {
      go([&mine, group]() mutable {
        work(&mine);
        group.done();
      });
    }
    group.wait();
    test::PretendCollector::begin_sweep([&] {
      for (const Mine& mine : all) {
        for (const void* object : mine.objects) test::PretendCollector::mark(object);
      }
    });
    rt::scavenge_set_goal(mem_stats().heap_live / 2);
    for (const Mine& mine : all) std::printf("%016llx ", static_cast<unsigned long long>(mine.sum));
    const MemStats stats = mem_stats();
    std::printf("alloc %llu inuse %llu released %llu\n", static_cast<unsigned long long>(stats.alloc),
                static_cast<unsigned long long>(stats.heap_inuse), static_cast<unsigned long long>(stats.heap_released));
  }
  return 0;
}

}  // namespace

REPRISE_MAIN(medley)
