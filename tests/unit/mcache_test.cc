// Caches and central lists: what a refill takes first, what goes back, when all is swept; and the scavenger in the
// background.
#include "runtime/mem/mcache.h"

#include <gtest/gtest.h>
#include <reprise/go.h>
#include <reprise/mem.h>
#include <reprise/sync.h>
#include <reprise/time.h>

#include <vector>

#include "runtime/mem/scavenge.h"
#include "tests/support/pretend_collector.h"
#include "tests/support/procs.h"

namespace reprise::rt {
namespace {

using test::PretendCollector;

constexpr SpanClass kClass64(6, true);
static_assert(kHeapClasses[6].bytes == 64);

class Cache : public testing::Test {
 protected:
  // Twice, for what was marked before.
  void SetUp() override {
    PretendCollector::collect([] {});
    PretendCollector::collect([] {});
  }
  static MSpan* cached() { return getp()->mcache->alloc[kClass64.index()]; }
  static std::vector<void*> fill(size_t spans) {
    std::vector<void*> objects;
    while (objects.size() < spans * (kHeapPageBytes / 64)) objects.push_back(mallocgc(64, nullptr, false));
    return objects;
  }
  PretendCollector collector_;
};

TEST_F(Cache, a_span_is_used_up_before_the_next_is_taken) {
  const auto objects = fill(3);
  std::vector<MSpan*> spans;
  for (void* object : objects) {
    if (spans.empty() || spans.back() != span_of(object)) spans.push_back(span_of(object));
  }
  EXPECT_EQ(spans.size(), 3u);
  for (const MSpan* s : spans) EXPECT_EQ(s->allocCount, s->nelems);
}

TEST_F(Cache, a_refill_takes_what_was_swept_before_it_sweeps) {
  fill(2);
  const auto dying = fill(2);
  PretendCollector::begin_sweep([] {});
  // Sweeps one span, so the others are still to be swept.
  mallocgc(64, nullptr, false);
  EXPECT_FALSE(sweep_is_done());
  EXPECT_EQ(cached()->sweepgen.load(), mheap_.sweepgen.load());
  getp()->mcache->releaseAll();
  MSpan* const swept = span_of(mallocgc(64, nullptr, false));
  EXPECT_EQ(swept->allocCount, 2u);
}

TEST_F(Cache, partly_free_spans_are_filled_up_round_what_lives) {
  const auto objects = fill(1);
  PretendCollector::collect([&] {
    for (size_t i = 0; i < objects.size(); i += 2) PretendCollector::mark(objects[i]);
  });
  for (size_t i = 1; i < objects.size(); i += 2) EXPECT_EQ(mallocgc(64, nullptr, false), objects[i]);
}

TEST_F(Cache, a_span_whose_bits_end_within_a_word_gives_each_slot_once) {
  for (const size_t size : {size_t{48}, size_t{144}, size_t{1408}, size_t{3072}, size_t{27264}}) {
    const uint8_t c = heap_size_class(size);
    MSpan* const s = mheap_alloc(kHeapClasses[c].pages, SpanClass(c, true));
    std::vector<bool> seen(s->nelems);
    for (uint32_t i = 0; i < s->nelems; ++i) {
      const uint32_t index = s->nextFreeIndex();
      ASSERT_LT(index, s->nelems);
      EXPECT_FALSE(seen[index]);
      seen[index] = true;
    }
    EXPECT_EQ(s->nextFreeIndex(), s->nelems);
    EXPECT_EQ(s->nextFreeIndex(), s->nelems);
    mheap_free(s);
  }
}

TEST_F(Cache, empty_spans_go_back_to_the_heap_when_swept) {
  const uint64_t before = mem_stats().heap_inuse;
  fill(10);
  EXPECT_GE(mem_stats().heap_inuse, before + 10 * kHeapPageBytes);
  PretendCollector::collect([] {});
  EXPECT_EQ(mem_stats().heap_inuse, before);
  EXPECT_TRUE(sweep_is_done());
}

TEST_F(Cache, what_a_finalizer_keeps_is_not_freed) {
  void* const object = mallocgc(64, nullptr, true);
  static void* kept = nullptr;
  kept = object;
  heap_hooks.before_sweep = [](MSpan* s) {
    if (s == span_of(kept)) PretendCollector::mark(kept);
  };
  PretendCollector::collect([] {});
  heap_hooks.before_sweep = nullptr;
  const MSpan* const s = span_of(object);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->allocCount, 1u);
}

TEST_F(Cache, the_dead_are_told_of_one_by_one) {
  static std::vector<uintptr_t> freed;
  freed.clear();
  std::vector<uintptr_t> expected;
  for (int i = 0; i < 5; ++i) expected.push_back(reinterpret_cast<uintptr_t>(mallocgc(64, nullptr, true)));
  heap_hooks.freed = [](MSpan* s, uint32_t index) {
    if (s->spanclass == kClass64) freed.push_back(s->objBase(index));
  };
  PretendCollector::collect([] {});
  heap_hooks.freed = nullptr;
  EXPECT_EQ(freed, expected);
}

TEST(CacheDeath, more_marks_than_objects_are_fatal) {
  EXPECT_EXIT(
      {
        const PretendCollector collector;
        void* const object = mallocgc(64, nullptr, true);
        PretendCollector::collect([&] {
          MSpan* const s = span_of(object);
          s->setMarked(s->objIndex(reinterpret_cast<uintptr_t>(object)));
          s->setMarked(s->nelems - 1);
        });
      },
      testing::ExitedWithCode(2), "sweep increased allocation count");
}

// ---- the scavenger -------------------------------------------------------------------------------------

TEST(Scavenger, the_background_releases_down_to_the_goal) {
  const PretendCollector collector;
  bgscavenge_start();
  for (int i = 0; i < 8; ++i) mallocgc(4 << 20, nullptr, true);
  PretendCollector::collect([] {});
  PretendCollector::collect([] {});
  const uint64_t goal = mem_stats().heap_inuse + (8 << 20);
  ASSERT_GT(mem_stats().heap_sys - mem_stats().heap_released, goal);
  scavenge_set_goal(goal);
  // Ends when it has been done: a scavenger that does nothing is ended by the test's limit.
  for (;;) {
    const MemStats now = mem_stats();
    if (now.heap_sys - now.heap_released <= goal) break;
    sleep_for(std::chrono::milliseconds(1));
  }
  scavenge_set_goal(UINT64_MAX);
}

TEST(Scavenger, free_os_memory_leaves_only_what_is_in_use) {
  const PretendCollector collector;
  mallocgc(4 << 20, nullptr, true);
  PretendCollector::collect([] {});
  PretendCollector::collect([] {});
  const MemStats before = mem_stats();
  EXPECT_EQ(free_os_memory(), before.heap_idle - before.heap_released);
  EXPECT_EQ(mem_stats().heap_idle, mem_stats().heap_released);
}

TEST(Scavenger, nothing_is_lost_or_mixed_up_beside_allocation) {
  const PretendCollector collector;
  const test::Procs procs(2);
  std::atomic<bool> stop{false};
  WaitGroup group;
  group.add(1);
  go([&stop, group]() mutable {
    while (!stop) {
      scavenge_all();
      gosched();
    }
    group.done();
  });
  for (int round = 0; round < 60; ++round) {
    std::vector<uint64_t*> blocks;
    for (uint64_t i = 0; i < 20; ++i) {
      blocks.push_back(static_cast<uint64_t*>(mallocgc(40'000 + i * 5000, nullptr, true)));
      EXPECT_EQ(blocks.back()[100], 0u);
      blocks.back()[100] = i + 1;
    }
    for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(blocks[i][100], i + 1);
    PretendCollector::collect([] {});
  }
  stop = true;
  group.wait();
}

}  // namespace
}  // namespace reprise::rt
