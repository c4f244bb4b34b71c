// The heap's pages and spans: the page allocator against a plain bitmap, size classes as derived, spans found by address,
// what is released reads as zeros.
#include "runtime/mem/mheap.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "runtime/mem/page_alloc.h"
#include "runtime/mem/scavenge.h"
#include "runtime/mem/size_classes.h"
#include "tests/support/pretend_collector.h"

namespace reprise::rt {
namespace {

// ---- size classes ----------------------------------------------------------------------------------

TEST(SizeClasses, every_size_has_the_smallest_class_that_holds_it) {
  for (size_t size = 1; size <= kMaxSmallSize; ++size) {
    const uint8_t c = heap_size_class(size);
    ASSERT_GE(kHeapClasses[c].bytes, size);
    ASSERT_LT(kHeapClasses[c - 1].bytes, size);
  }
}

TEST(SizeClasses, less_than_an_eighth_of_a_span_is_left_over) {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    const size_t span = kHeapClasses[c].pages * kHeapPageBytes;
    EXPECT_LE(span % kHeapClasses[c].bytes * 8, span) << kHeapClasses[c].bytes;
  }
}

TEST(SizeClasses, rounding_takes_less_than_16_percent_of_a_slot_and_a_twentieth_in_the_mean) {
  double sum = 0;
  for (size_t size = 129; size <= kMaxSmallSize; ++size) {
    const size_t slot = kHeapClasses[heap_size_class(size)].bytes;
    ASSERT_LT((slot - size) * 100, slot * 16) << size;
    sum += static_cast<double>(slot - size) / static_cast<double>(slot);
  }
  EXPECT_LT(sum / (kMaxSmallSize - 128), 0.055);
}

TEST(SizeClasses, sizes_of_16_byte_aligned_types_have_aligned_classes) {
  for (size_t size = 16; size <= kMaxSmallSize; size += 16) {
    ASSERT_EQ(kHeapClasses[heap_size_class(size)].bytes % 16, 0u) << size;
  }
}

TEST(SizeClasses, division_by_multiplication_is_exact) {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    MSpan s;
    s.divMul = kHeapClasses[c].divMul;
    for (size_t offset = 0; offset < kHeapClasses[c].pages * kHeapPageBytes; ++offset) {
      ASSERT_EQ(s.objIndex(offset), offset / kHeapClasses[c].bytes);
    }
  }
}

// ---- the page allocator against a bitmap -------------------------------------------------------------

class Pages {
 public:
  explicit Pages(size_t pages) : memory_(PageAlloc::metadata_bytes(pages)), used(pages), resident(pages) {
    alloc.init(memory_.data(), pages);
  }

 private:
  std::vector<char> memory_;

 public:
  PageAlloc alloc;
  std::vector<bool> used, resident;

  size_t first_fit(size_t npages) const {
    size_t run = 0;
    for (size_t i = 0; i < used.size(); ++i) {
      run = used[i] ? 0 : run + 1;
      if (run == npages) return i + 1 - npages;
    }
    return PageAlloc::kNone;
  }
  size_t set(size_t page, size_t npages) {
    size_t was_resident = 0;
    for (size_t i = page; i < page + npages; ++i) {
      was_resident += resident[i] ? 1 : 0;
      used[i] = resident[i] = true;
    }
    return was_resident;
  }
};

struct Held {
  size_t page, npages;
};

void take(Pages* pages, std::vector<Held>* held, size_t npages) {
  const size_t expected = pages->first_fit(npages);
  const PageAlloc::Run run = pages->alloc.alloc(npages);
  RC_ASSERT(run.page == expected);
  if (run.page == PageAlloc::kNone) return;
  RC_ASSERT(run.resident == pages->set(run.page, npages));
  held->push_back({run.page, npages});
}

void give(Pages* pages, std::vector<Held>* held, size_t which) {
  if (held->empty()) return;
  const Held h = (*held)[which % held->size()];
  held->erase(held->begin() + static_cast<ptrdiff_t>(which % held->size()));
  pages->alloc.free(h.page, h.npages);
  for (size_t i = h.page; i < h.page + h.npages; ++i) pages->used[i] = false;
}

void release(Pages* pages, size_t max_pages) {
  const auto run = pages->alloc.take_scavengable(max_pages);
  size_t top = pages->used.size();
  while (top > 0 && (pages->used[top - 1] || !pages->resident[top - 1])) --top;
  if (run.page == PageAlloc::kNone) {
    RC_ASSERT(top == 0u);
    return;
  }
  RC_ASSERT(run.page + run.npages == top);
  RC_ASSERT(run.npages <= max_pages);
  for (size_t i = run.page; i < run.page + run.npages; ++i) {
    RC_ASSERT(!pages->used[i]);
    RC_ASSERT(pages->resident[i]);
    pages->resident[i] = false;
  }
  pages->alloc.give_back(run, true);
}

void agrees_with_a_bitmap(size_t chunks) {
  const size_t count = chunks * PageAlloc::kChunkPages;
  Pages pages(count);
  std::vector<Held> held;
  const int steps = *rc::gen::inRange(1, 300);
  for (int i = 0; i < steps; ++i) {
    const auto dice = *rc::gen::inRange<size_t>(0, 10);
    if (dice < 4) {
      take(&pages, &held, *rc::gen::inRange<size_t>(1, 20));
    } else if (dice < 6) {
      take(&pages, &held, *rc::gen::inRange<size_t>(1, count));
    } else if (dice < 9) {
      give(&pages, &held, *rc::gen::arbitrary<size_t>());
    } else {
      release(&pages, *rc::gen::inRange<size_t>(1, 100));
    }
  }
  pages.alloc.check_for_test();
  for (size_t i = 0; i < count; ++i) {
    RC_ASSERT(pages.alloc.is_free(i) == !pages.used[i]);
    RC_ASSERT(pages.alloc.is_resident(i) == pages.resident[i]);
  }
}

TEST(PageAlloc, one_chunk_agrees_with_a_bitmap) {
  ASSERT_TRUE(rc::check([] { agrees_with_a_bitmap(1); }));
}
TEST(PageAlloc, two_levels_agree_with_a_bitmap) {
  ASSERT_TRUE(rc::check([] { agrees_with_a_bitmap(16); }));
}
TEST(PageAlloc, three_levels_agree_with_a_bitmap) {
  ASSERT_TRUE(rc::check([] { agrees_with_a_bitmap(128); }));
}

TEST(PageAlloc, a_run_across_chunks_and_nodes_is_found) {
  constexpr size_t kPages = 128 * PageAlloc::kChunkPages;
  Pages pages(kPages);
  EXPECT_EQ(pages.alloc.alloc(kPages).page, 0u);
  EXPECT_EQ(pages.alloc.alloc(1).page, PageAlloc::kNone);
  const size_t middle = 64 * PageAlloc::kChunkPages;
  pages.alloc.free(middle - 700, 1400);
  EXPECT_EQ(pages.alloc.alloc(1401).page, PageAlloc::kNone);
  EXPECT_EQ(pages.alloc.alloc(1400).page, middle - 700);
  pages.alloc.check_for_test();
}

TEST(PageAllocDeath, freeing_what_is_free_is_fatal) {
  Pages pages(PageAlloc::kChunkPages);
  EXPECT_EXIT(pages.alloc.free(3, 1), testing::ExitedWithCode(2), "pages are freed that are not in use");
}

// ---- spans -----------------------------------------------------------------------------------------

class Heap : public testing::Test {
  test::PretendCollector collector_;
};
using HeapDeath = Heap;

TEST_F(Heap, a_span_is_found_from_every_address_in_it) {
  MSpan* const s = mheap_alloc(3, SpanClass(0, true));
  ASSERT_NE(s, nullptr);
  for (const size_t offset : {size_t{0}, size_t{1}, kHeapPageBytes, 3 * kHeapPageBytes - 1}) {
    EXPECT_EQ(span_of(s->base() + offset), s);
  }
  mheap_free(s);
  EXPECT_EQ(span_of(s->startAddr), nullptr);
}

TEST_F(Heap, whatever_is_no_span_is_answered_by_null) {
  int local = 0;
  static int global = 0;
  const auto end = kHeapArena + mheap_.arena_bytes;
  for (const uintptr_t address : {uintptr_t{0}, uintptr_t{8}, ~uintptr_t{0}, kHeapArena - 1, end, end + 12345,
                                  end - 1, kHeapMetadata, kHeapArena + kHeapArenaMaxBytes,
                                  reinterpret_cast<uintptr_t>(&local), reinterpret_cast<uintptr_t>(&global)}) {
    EXPECT_EQ(span_of(address), nullptr) << std::hex << address;
  }
}

TEST_F(Heap, spans_do_not_overlap_and_lie_at_the_lowest_addresses) {
  std::vector<MSpan*> spans;
  for (size_t i = 1; i <= 40; ++i) spans.push_back(mheap_alloc(i, SpanClass(0, true)));
  for (size_t i = 0; i < spans.size(); ++i) {
    for (size_t page = 0; page < spans[i]->npages; ++page) {
      ASSERT_EQ(span_of(spans[i]->base() + page * kHeapPageBytes), spans[i]);
    }
  }
  const uintptr_t hole = spans[10]->base();
  mheap_free(spans[10]);
  MSpan* const again = mheap_alloc(11, SpanClass(0, true));
  EXPECT_EQ(again->base(), hole);
  spans[10] = again;
  for (MSpan* s : spans) mheap_free(s);
}

TEST_F(Heap, scanned_small_objects_have_room_for_their_types_in_the_span) {
  for (uint8_t c = 1; c < kNumSizeClasses; ++c) {
    MSpan* const s = mheap_alloc(kHeapClasses[c].pages, SpanClass(c, false));
    ASSERT_NE(s->types, nullptr);
    ASSERT_GE(s->nelems, 1u);
    const auto types = reinterpret_cast<uintptr_t>(s->types);
    if (types - s->base() < s->bytes()) {
      EXPECT_GE(types, s->limit);
      EXPECT_LE(types + s->nelems * sizeof(void*), s->base() + s->bytes());
    } else {
      EXPECT_GT(s->elemsize, 512u);
    }
    mheap_free(s);
  }
}

TEST_F(Heap, fresh_pages_need_no_zeroing_and_used_ones_do) {
  MSpan* s = mheap_alloc(1, SpanClass(0, true));
  std::memset(reinterpret_cast<void*>(s->base()), 7, s->bytes());
  mheap_free(s);
  s = mheap_alloc(1, SpanClass(0, true));
  EXPECT_TRUE(s->needzero);
  const uintptr_t at = s->base();
  mheap_free(s);
  scavenge_all();
  s = mheap_alloc(1, SpanClass(0, true));
  ASSERT_EQ(s->base(), at);
  EXPECT_FALSE(s->needzero);
  for (size_t i = 0; i < s->bytes(); ++i) ASSERT_EQ(reinterpret_cast<char*>(at)[i], 0);
  mheap_free(s);
}

TEST_F(Heap, the_memory_limit_releases_other_pages_first) {
  scavenge_all();
  const size_t before = mheap_.pages.resident();
  MSpan* const large = mheap_alloc(64, SpanClass(0, true));
  MSpan* const barrier = mheap_alloc(1, SpanClass(0, true));
  mheap_free(large);
  ASSERT_EQ(mheap_.pages.resident(), before + 65);
  heap_set_memory_limit((before + 80) * kHeapPageBytes);
  MSpan* const larger = mheap_alloc(70, SpanClass(0, true));
  EXPECT_LE(mheap_.pages.resident(), before + 80);
  heap_set_memory_limit(UINT64_MAX);
  mheap_free(larger);
  mheap_free(barrier);
}

TEST_F(HeapDeath, a_span_is_freed_once) {
  EXPECT_EXIT(
      {
        MSpan* const s = mheap_alloc(1, SpanClass(0, true));
        mheap_free(s);
        mheap_free(s);
      },
      testing::ExitedWithCode(2), "the span is not in use");
}

TEST_F(Heap, persistent_memory_is_zeroed_aligned_and_never_given_twice) {
  auto* const a = static_cast<char*>(persistentalloc(100, 64));
  auto* const b = static_cast<char*>(persistentalloc(1, 4096));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b) % 4096, 0u);
  EXPECT_GE(b, a + 100);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a[i], 0);
}

}  // namespace
}  // namespace reprise::rt
