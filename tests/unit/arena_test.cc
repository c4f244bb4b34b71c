// The allocator behind the program's malloc: against a model of its live blocks, and at its edges.
#include "runtime/mem/arena.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

namespace reprise::mem {
namespace {

// An arena over a mapping of its own.
class Mapped {
 public:
  explicit Mapped(size_t bytes = size_t{64} << 20,
                  Arena::Release release = Arena::Release::large_blocks)
      : bytes_(bytes),
        base_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
        arena_(Arena::create(base_, bytes, release)) {}
  ~Mapped() { munmap(base_, bytes_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  Arena* operator->() const { return arena_; }
  size_t offset(const void* block) const {
    return static_cast<size_t>(static_cast<const char*>(block) - static_cast<const char*>(base_));
  }

 private:
  size_t bytes_;
  void* base_;
  Arena* arena_;
};

TEST(SizeClass, every_size_gets_the_smallest_class_that_holds_it) {
  for (size_t bytes = 1; bytes <= kMaxSmallBytes; ++bytes) {
    const size_t c = size_class_of(bytes);
    ASSERT_LT(c, kSizeClasses);
    ASSERT_GE(kClasses[c].bytes, bytes);
    if (c > 0) { ASSERT_LT(kClasses[c - 1].bytes, bytes); }
  }
}

TEST(SizeClass, the_reciprocal_divides_every_offset_in_a_span) {
  for (const SizeClass& c : kClasses) {
    ASSERT_EQ(c.bytes % 16, 0u);
    ASSERT_LE(c.slots, kMaxSlots);
    for (size_t offset = 0; offset < c.pages * kPageBytes; ++offset)
      ASSERT_EQ(offset * c.reciprocal >> 40, offset / c.bytes) << c.bytes;
  }
}

// What rapidcheck drives the arena with. Sizes are skewed to small ones but reach several pages.
struct Step {
  enum Kind { allocate, release, aligned } kind;
  size_t bytes;
  size_t pick;  // which live block to free, or the alignment's power
  bool zeroed;
};

rc::Gen<Step> any_step() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::inRange(0, 5), rc::gen::inRange<size_t>(0, 1u << 19),
                     rc::gen::inRange(0, 5), rc::gen::arbitrary<size_t>(),
                     rc::gen::arbitrary<bool>()),
      [](const std::tuple<int, size_t, int, size_t, bool>& t) {
        const auto& [kind, bytes, shift, pick, zeroed] = t;
        return Step{kind < 2 ? Step::allocate : kind < 4 ? Step::release : Step::aligned,
                    bytes >> (shift * 4), pick, zeroed};
      });
}

// The model: live blocks by address, each filled with a byte of its own.
class Model {
 public:
  explicit Model(Mapped& mapped) : mapped_(mapped) {}

  void apply(const Step& step) {
    if (step.kind == Step::release) return release_one(step.pick);
    const size_t alignment = step.kind == Step::aligned ? size_t{16} << step.pick % 10 : 16;
    void* const block = mapped_->allocate(step.bytes, alignment, step.zeroed);
    if (block == nullptr) return;  // full: the blocks alive are still checked
    RC_ASSERT(reinterpret_cast<uintptr_t>(block) % alignment == 0u);
    Arena::Fault fault;
    RC_ASSERT(mapped_->usable_size(block, &fault) >= step.bytes);
    check_apart(static_cast<char*>(block), step.bytes);
    if (step.zeroed) RC_ASSERT(all_are(static_cast<char*>(block), step.bytes, 0));
    memset(block, ++fill_, step.bytes);
    live_[static_cast<char*>(block)] = {step.bytes, fill_};
  }

  void release_all() {
    while (!live_.empty()) release_one(0);
    RC_ASSERT(mapped_->bytes_in_use() <= kSizeClasses * 64 * kPageBytes);
  }

 private:
  struct Block {
    size_t bytes;
    unsigned char fill;
  };

  static bool all_are(const char* p, size_t bytes, unsigned char value) {
    return std::all_of(p, p + bytes, [value](char c) { return static_cast<unsigned char>(c) == value; });
  }

  void check_apart(char* block, size_t bytes) {
    const auto after = live_.upper_bound(block);
    if (after != live_.end()) RC_ASSERT(block + bytes <= after->first);
    if (after != live_.begin()) {
      const auto before = std::prev(after);
      RC_ASSERT(before->first + std::max<size_t>(before->second.bytes, 1) <= block);
    }
  }

  void release_one(size_t pick) {
    if (live_.empty()) return;
    const auto it = std::next(live_.begin(), static_cast<long>(pick % live_.size()));
    RC_ASSERT(all_are(it->first, it->second.bytes, it->second.fill));
    RC_ASSERT(mapped_->free(it->first) == Arena::Fault::none);
    live_.erase(it);
  }

  Mapped& mapped_;
  std::map<char*, Block> live_;
  unsigned char fill_ = 0;
};

RC_GTEST_PROP(Arena, blocks_are_aligned_apart_and_keep_their_contents, ()) {
  Mapped mapped;
  Model model(mapped);
  for (const Step& step : *rc::gen::container<std::vector<Step>>(any_step())) model.apply(step);
  model.release_all();
}

RC_GTEST_PROP(Arena, the_same_calls_give_the_same_offsets, ()) {
  const auto steps = *rc::gen::container<std::vector<Step>>(any_step());
  std::vector<size_t> offsets[2];
  for (auto& seen : offsets) {
    Mapped mapped;
    std::vector<void*> live;
    for (const Step& step : steps) {
      if (step.kind == Step::release && !live.empty()) {
        std::swap(live[step.pick % live.size()], live.back());
        mapped->free(live.back());
        live.pop_back();
      } else if (void* block = mapped->allocate(step.bytes, 16, step.zeroed)) {
        live.push_back(block);
        seen.push_back(mapped.offset(block));
      }
    }
  }
  RC_ASSERT(offsets[0] == offsets[1]);
}

TEST(Arena, freeing_twice_is_found_for_small_and_large_blocks) {
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{32768}, size_t{100000}, size_t{4000000}}) {
    Mapped mapped;
    void* const keep = mapped->allocate(bytes, 16, false);
    void* const block = mapped->allocate(bytes, 16, false);
    ASSERT_EQ(mapped->free(block), Arena::Fault::none);
    EXPECT_EQ(mapped->free(block), Arena::Fault::double_free) << bytes;
    EXPECT_EQ(mapped->free(keep), Arena::Fault::none) << bytes;
    EXPECT_EQ(mapped->free(keep), Arena::Fault::double_free) << bytes;
  }
}

TEST(Arena, a_pointer_into_a_block_is_no_block) {
  Mapped mapped;
  for (const size_t bytes : {size_t{64}, size_t{100000}}) {
    auto* const block = static_cast<char*>(mapped->allocate(bytes, 16, false));
    EXPECT_EQ(mapped->free(block + 16), Arena::Fault::not_a_block) << bytes;
    EXPECT_EQ(mapped->free(block + 1), Arena::Fault::not_a_block) << bytes;
    EXPECT_EQ(mapped->free(block), Arena::Fault::none);
  }
}

uintptr_t number(const void* at) { return reinterpret_cast<uintptr_t>(at); }

TEST(Arena, an_address_in_a_block_finds_all_of_it) {
  const Mapped arena;
  for (const size_t bytes : {size_t{1}, size_t{48}, size_t{700}, kMaxSmallBytes, size_t{1} << 20}) {
    arena->allocate(bytes, 16, false);
    auto* const block = static_cast<char*>(arena->allocate(bytes, 16, false));
    Arena::Fault fault;
    const size_t usable = arena->usable_size(block, &fault);
    for (const size_t offset : {size_t{0}, usable / 2, usable - 1}) {
      const Arena::Block found = arena->block_at(number(block) + offset);
      EXPECT_EQ(found.begin, number(block)) << bytes << " at " << offset;
      EXPECT_EQ(found.bytes, usable) << bytes << " at " << offset;
    }
    EXPECT_NE(arena->block_at(number(block) - 1).begin, number(block));
    EXPECT_NE(arena->block_at(number(block) + usable).begin, number(block));
    arena->free(block);
    EXPECT_EQ(arena->block_at(number(block)).bytes, 0u) << bytes;
  }
  EXPECT_EQ(arena->block_at(0).bytes, 0u);
  EXPECT_EQ(arena->block_at(number(&arena)).bytes, 0u);
}

TEST(Arena, each_block_in_use_is_visited_once_by_address) {
  const Mapped arena;
  std::vector<uintptr_t> expected;
  for (int i = 0; i < 300; ++i) {
    void* const block = arena->allocate(i % 10 == 0 ? size_t{100'000} : size_t{16} << i % 5, 16, false);
    if (i % 3 == 0) {
      arena->free(block);
    } else {
      expected.push_back(number(block));
    }
  }
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  std::vector<uintptr_t> visited;
  arena->each_block([&](Arena::Block block) { visited.push_back(block.begin); });
  EXPECT_EQ(visited, expected);
}

TEST(Arena, a_full_arena_answers_null_and_recovers) {
  Mapped mapped(size_t{1} << 20);
  std::vector<void*> blocks;
  while (void* block = mapped->allocate(1000, 16, false)) blocks.push_back(block);
  EXPECT_GT(blocks.size(), 500u);
  EXPECT_EQ(mapped->allocate(size_t{1} << 40, 16, false), nullptr);
  for (void* block : blocks) ASSERT_EQ(mapped->free(block), Arena::Fault::none);
  EXPECT_NE(mapped->allocate(size_t{1} << 19, 16, false), nullptr);
}

TEST(Arena, freed_neighbours_merge_into_one_run) {
  Mapped mapped(size_t{16} << 20);
  std::vector<void*> blocks;
  while (void* block = mapped->allocate(size_t{256} << 10, 16, false)) blocks.push_back(block);
  for (size_t i = 0; i < blocks.size(); i += 2) mapped->free(blocks[i]);
  for (size_t i = 1; i < blocks.size(); i += 2) mapped->free(blocks[i]);
  EXPECT_NE(mapped->allocate(blocks.size() * (size_t{256} << 10), 16, false), nullptr);
}

TEST(Arena, released_pages_of_large_blocks_are_zero_again) {
  Mapped mapped;
  constexpr size_t kBytes = 4 << 20;
  void* const dirty = mapped->allocate(kBytes, 16, false);
  memset(dirty, 0xff, kBytes);
  mapped->free(dirty);
  auto* const again = static_cast<unsigned char*>(mapped->allocate(kBytes, 16, true));
  EXPECT_EQ(again, dirty);
  for (size_t i = 0; i < kBytes; ++i) ASSERT_EQ(again[i], 0);
}

TEST(Arena, alignments_beyond_a_page_are_absolute) {
  Mapped mapped;
  for (size_t alignment = 8192; alignment <= (size_t{8} << 20); alignment *= 2) {
    void* const block = mapped->allocate(1, alignment, false);
    ASSERT_NE(block, nullptr) << alignment;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
  }
}

TEST(Arena, threads_share_it) {
  Mapped mapped;
  std::vector<std::thread> threads;
  for (unsigned char id = 1; id <= 4; ++id) {
    threads.emplace_back([&mapped, id] {
      for (size_t i = 0; i < 2000; ++i) {
        const size_t bytes = 1 + i * 37 % 5000;
        auto* const block = static_cast<unsigned char*>(mapped->allocate(bytes, 16, false));
        memset(block, id, bytes);
        for (size_t k = 0; k < bytes; ++k) ASSERT_EQ(block[k], id);
        ASSERT_EQ(mapped->free(block), Arena::Fault::none);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace reprise::mem
