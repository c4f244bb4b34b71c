// The free set of the stage against a map of pages.
#include "runtime/stage/address_space.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <set>

#include "runtime/stage/layout.h"

namespace reprise::stage {
namespace {

constexpr uint64_t kHuge = 2 << 20;

TEST(StageAddressSpace, a_place_is_reused_once_it_is_released) {
  const uint64_t first = claim_anywhere(kPage, false);
  const uint64_t second = claim_anywhere(kPage, false);
  EXPECT_EQ(second, first + kPage);
  release(first, first + kPage);
  EXPECT_EQ(claim_anywhere(kPage, false), first);
  release(first, second + kPage);
}

TEST(StageAddressSpace, two_megabytes_and_more_are_aligned_for_huge_pages) {
  const uint64_t small = claim_anywhere(kPage, false);
  const uint64_t large = claim_anywhere(kHuge, false);
  EXPECT_EQ(large % kHuge, 0u);
  release(small, small + kPage);
  release(large, large + kHuge);
}

TEST(StageAddressSpace, low_places_lie_below_two_gigabytes) {
  const uint64_t at = claim_anywhere(kPage, true);
  EXPECT_GE(at, kLowMapBase);
  EXPECT_LT(at, kLowMapEnd);
  release(at, at + kPage);
}

TEST(StageAddressSpace, more_than_there_is_is_refused) {
  EXPECT_EQ(claim_anywhere(kMapEnd - kMapBase + kPage, false), 0u);
  EXPECT_EQ(claim_anywhere(1ull << 62, true), 0u);
}

TEST(StageAddressSpace, releasing_twice_or_across_a_border_frees_once) {
  const uint64_t at = claim_anywhere(4 * kPage, false);
  release(at, at + 2 * kPage);
  release(at, at + 4 * kPage);
  release(at + kPage, at + 3 * kPage);
  release(kMapBase - kPage, kMapBase);
  EXPECT_EQ(claim_anywhere(4 * kPage, false), at);
  EXPECT_NE(claim_anywhere(kPage, false), at);
  release(at, at + 5 * kPage);
}

// Misses an error that needs more than 512 pages or more than 256 holes at once.
TEST(StageAddressSpace, agrees_with_a_set_of_pages_under_random_calls) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const uint64_t base = claim_anywhere(kPage, false);
  release(base, base + kPage);
  constexpr uint64_t kPages = 512;
  std::set<uint64_t> used;
  const auto first_fit = [&](uint64_t pages) {
    for (uint64_t at = 0;; ++at) {
      auto next = used.lower_bound(at);
      if (next == used.end() || *next >= at + pages) return at;
    }
  };
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t at = random() % kPages, pages = 1 + random() % 8;
    const uint64_t begin = base + at * kPage, end = begin + pages * kPage;
    switch (random() % 3) {
      case 0: {
        const uint64_t expected = first_fit(pages);
        if (expected + pages > kPages) break;
        ASSERT_EQ(claim_anywhere(pages * kPage, false), base + expected * kPage) << "step " << step;
        for (uint64_t i = 0; i < pages; ++i) used.insert(expected + i);
        break;
      }
      case 1:
        claim(begin, end);
        for (uint64_t i = 0; i < pages; ++i) used.insert(at + i);
        break;
      default:
        release(begin, end);
        for (uint64_t i = 0; i < pages; ++i) used.erase(at + i);
    }
  }
  release(base, base + (kPages + 8) * kPage);
}

}  // namespace
}  // namespace reprise::stage
