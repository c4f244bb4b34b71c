// mallocgc: objects do not overlap, are aligned and zeroed, are found from inside, and what is not marked comes back; at
// one P against a model, at several under stress.
#include "runtime/mem/mallocgc.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <reprise/go.h>
#include <reprise/mem.h>
#include <reprise/sync.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "runtime/type/type.h"
#include "tests/support/pretend_collector.h"
#include "tests/support/procs.h"

namespace reprise::rt {
namespace {

using test::PretendCollector;

constexpr Type pointers{.size = 8, .ptrdata = 8, .hash = 0, .tflag = kTflagConservative, .align = 8, .field_align = 8,
                        .kind_bits = 0, .equal = nullptr, .gcdata = nullptr, .name = nullptr, .uncommon = nullptr,
                        .ptr_to_this = nullptr};

class Mallocgc : public testing::Test {
 protected:
  PretendCollector collector_;
};
using MallocgcDeath = Mallocgc;

// An object that the test keeps, filled with its own byte.
struct Kept {
  size_t size = 0;
  bool scanned = false;
  unsigned char fill = 0;
};

class Model {
 public:
  void make(size_t size, bool scanned, bool zero, unsigned char fill) {
    auto* const at = static_cast<unsigned char*>(mallocgc(size, scanned ? &pointers : nullptr, zero));
    no_overlap(at, size);
    aligned(at, size);
    if (zero || scanned) {
      for (size_t i = 0; i < size; ++i) RC_ASSERT(at[i] == 0);
    }
    if (scanned) RC_ASSERT(type_at(at) == &pointers);
    std::memset(at, fill, size);
    live_[reinterpret_cast<uintptr_t>(at)] = {size, scanned, fill};
  }
  void drop(size_t which) {
    if (live_.empty()) return;
    auto it = live_.lower_bound(which % 2 == 0 ? which : live_.begin()->first + which % 4096);
    live_.erase(it == live_.end() ? live_.begin() : it);
  }
  void collect(bool whole) {
    const auto mark = [this] {
      for (const auto& [at, kept] : live_) PretendCollector::mark(reinterpret_cast<void*>(at));
    };
    whole ? PretendCollector::collect(mark) : PretendCollector::begin_sweep(mark);
  }
  void verify() const {
    for (const auto& [at, kept] : live_) {
      const auto* const bytes = reinterpret_cast<unsigned char*>(at);
      for (size_t i = 0; i < kept.size; ++i) RC_ASSERT(bytes[i] == kept.fill);
      found_from_inside(at, kept.size);
    }
  }
  void clear() {
    live_.clear();
    collect(true);
  }
  size_t count() const { return live_.size(); }

 private:
  void no_overlap(const unsigned char* object, size_t size) const {
    const auto at = reinterpret_cast<uintptr_t>(object);
    auto next = live_.lower_bound(at);
    if (next != live_.end()) RC_ASSERT(at + size <= next->first);
    if (next != live_.begin()) {
      const auto& before = *--next;
      RC_ASSERT(before.first + before.second.size <= at);
    }
  }
  static void aligned(const unsigned char* object, size_t size) {
    size_t alignment = 1;
    while (alignment < 16 && size % (alignment * 2) == 0) alignment *= 2;
    RC_ASSERT(reinterpret_cast<uintptr_t>(object) % alignment == 0u);
  }
  static const Type* type_at(const unsigned char* object) {
    const MSpan* const s = span_of(object);
    return s->typeAt(reinterpret_cast<uintptr_t>(object));
  }
  static void found_from_inside(uintptr_t at, size_t size) {
    for (const uintptr_t inside : {at, at + size / 2, at + size - 1}) {
      const MSpan* const s = span_of(inside);
      RC_ASSERT(s != nullptr);
      const uint32_t index = s->objIndex(inside);
      RC_ASSERT(s->objBase(index) <= at);
      RC_ASSERT(at + size <= s->objBase(index) + s->elemsize);
      RC_ASSERT(s->isAllocated(index));
    }
  }

  std::map<uintptr_t, Kept> live_;
};

size_t any_size() {
  switch (*rc::gen::inRange(0, 5)) {
    case 0: return *rc::gen::inRange<size_t>(1, 16);
    case 1: return *rc::gen::inRange<size_t>(1, 600);
    case 2: return *rc::gen::inRange<size_t>(600, kMaxSmallSize + 1);
    case 3: return kHeapClasses[*rc::gen::inRange<size_t>(1, kNumSizeClasses)].bytes;
    default: return *rc::gen::inRange<size_t>(kMaxSmallSize + 1, 80'000);
  }
}

TEST_F(Mallocgc, agrees_with_a_model) {
  ASSERT_TRUE(rc::check([] {
    Model model;
    const int steps = *rc::gen::inRange(1, 200);
    for (int i = 0; i < steps; ++i) {
      const int dice = *rc::gen::inRange(0, 100);
      if (dice < 70) {
        model.make(any_size(), *rc::gen::arbitrary<bool>(), *rc::gen::arbitrary<bool>(),
                   static_cast<unsigned char>(*rc::gen::inRange(1, 255)));
      } else if (dice < 95) {
        model.drop(*rc::gen::arbitrary<size_t>());
      } else {
        model.collect(dice < 97);
      }
    }
    model.verify();
    model.clear();
  }));
}

TEST_F(Mallocgc, what_is_not_marked_comes_back) {
  Model().clear();
  Model().clear();  // what was marked before
  const MemStats before = mem_stats();
  for (int i = 0; i < 20'000; ++i) mallocgc(100, nullptr, false);
  for (int i = 0; i < 10; ++i) mallocgc(1 << 20, nullptr, false);
  EXPECT_EQ(mem_stats().mallocs - before.mallocs, 20'010u);
  PretendCollector::collect([] {});
  const MemStats after = mem_stats();
  EXPECT_EQ(after.frees - before.frees, 20'010u);
  EXPECT_EQ(after.alloc, before.alloc);
  EXPECT_EQ(after.heap_inuse, before.heap_inuse);
}

TEST_F(Mallocgc, a_slot_is_used_again_only_when_its_span_was_swept) {
  void* const first = mallocgc(48, nullptr, true);
  PretendCollector::begin_sweep([] {});
  MSpan* const s = span_of(first);
  EXPECT_NE(s->sweepgen.load(), mheap_.sweepgen.load());
  bool again = false;
  for (int i = 0; i < 400 && !again; ++i) again = mallocgc(48, nullptr, true) == first;
  EXPECT_TRUE(again);
}

TEST_F(Mallocgc, tiny_objects_share_a_block_and_keep_it_alive) {
  PretendCollector::collect([] {});
  auto* const a = static_cast<char*>(mallocgc(4, nullptr, true));
  auto* const b = static_cast<char*>(mallocgc(4, nullptr, true));
  EXPECT_EQ(b, a + 4);
  *a = 'a';
  *b = 'b';
  PretendCollector::collect([&] { PretendCollector::mark(b); });
  EXPECT_EQ(*a, 'a');
  EXPECT_EQ(*b, 'b');
  EXPECT_NE(mallocgc(4, nullptr, true), a + 8);  // a cycle drops the block
}

TEST_F(Mallocgc, objects_of_no_size_share_an_address_outside_the_heap) {
  EXPECT_EQ(mallocgc(0, nullptr, true), mallocgc(0, &pointers, false));
  EXPECT_EQ(span_of(mallocgc(0, nullptr, true)), nullptr);
}

TEST_F(Mallocgc, over_aligned_objects_are_aligned) {
  for (size_t alignment = 1; alignment <= kHeapPageBytes; alignment *= 2) {
    for (const size_t size : {size_t{1}, size_t{5}, size_t{24}, size_t{100}, size_t{4000}, size_t{40'000}}) {
      void* const object = mallocgc_aligned(size, alignment, nullptr, true);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(object) % alignment, 0u) << size << " at " << alignment;
      EXPECT_NE(span_of(object), nullptr);
    }
  }
}

TEST_F(Mallocgc, objects_made_while_marking_are_black) {
  static int told = 0;
  told = 0;
  heap_hooks.allocated_black = [](MSpan*, uint32_t) { ++told; };
  heap_attention.store(kHeapMarking);
  void* const small = mallocgc(64, &pointers, true);
  void* const large = mallocgc(1 << 20, &pointers, true);
  heap_attention.store(0);
  EXPECT_EQ(told, 2);
  for (void* object : {small, large}) {
    const MSpan* const s = span_of(object);
    EXPECT_TRUE(s->isMarked(s->objIndex(reinterpret_cast<uintptr_t>(object))));
  }
  PretendCollector::collect([] {});
  EXPECT_NE(span_of(large), nullptr);
  PretendCollector::collect([] {});
  EXPECT_EQ(span_of(large), nullptr);
}

TEST_F(Mallocgc, a_tiny_object_cut_while_marking_makes_its_block_black) {
  PretendCollector::collect([] {});
  auto* const before = static_cast<char*>(mallocgc(4, nullptr, true));
  const MSpan* const s = span_of(before);
  ASSERT_FALSE(s->isMarked(s->objIndex(reinterpret_cast<uintptr_t>(before))));
  heap_attention.store(kHeapMarking);
  EXPECT_EQ(mallocgc(4, nullptr, true), before + 4);
  heap_attention.store(0);
  EXPECT_TRUE(s->isMarked(s->objIndex(reinterpret_cast<uintptr_t>(before))));
}

// Fills a span and a half by turns, so that slots are new, and old and dirty.
template <uint8_t Class>
void check_class(bool marking) {
  const size_t bytes = kHeapClasses[Class / 2].bytes;
  const Type* const type = Class % 2 == 0 ? &pointers : nullptr;
  for (int round = 0; round < 3; ++round) {
    const MSpan* s = nullptr;
    uintptr_t last = 0;
    for (size_t i = 0; i < 3 * kHeapPageBytes / bytes / 2; ++i) {
      if (marking) heap_attention.store(kHeapMarking);
      auto* const words = static_cast<uint64_t*>(gc_new_of<Class>(type));
      heap_attention.store(0);
      s = span_of(words);
      const auto at = reinterpret_cast<uintptr_t>(words);
      ASSERT_NE(at, std::exchange(last, at));
      ASSERT_EQ(s->spanclass.index(), Class);
      ASSERT_EQ(at, s->objBase(s->objIndex(at)));
      ASSERT_TRUE(s->isAllocated(s->objIndex(at)));
      ASSERT_EQ(s->isMarked(s->objIndex(at)), marking);
      ASSERT_EQ(s->typeAt(at), type);
      for (size_t w = 0; w < bytes / 8; ++w) ASSERT_EQ(std::exchange(words[w], ~uint64_t{0}), 0u);
    }
    PretendCollector::collect([] {});
  }
}
template <uint8_t... Classes>
void check_classes() {
  for (const bool marking : {false, true}) (check_class<Classes>(marking), ...);
}

TEST_F(Mallocgc, classes_with_functions_of_their_own_give_what_is_theirs) {
  const int64_t credit = std::exchange(getg()->gcAssistBytes, 100 << 20);
  check_classes<2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>();
  getg()->gcAssistBytes = credit;
}

// Without the signal, which a loop that does little else would seldom be interrupted by.
TEST_F(Mallocgc, allocation_gives_way_when_asked) {
  const test::Procs procs(1);
  for (const bool known_class : {false, true}) {
    mallocgc(64, nullptr, true);
    const uint32_t turns = getp()->schedtick.load();
    getp()->preempt.store(true);
    seam_attention.fetch_or(kAttendPreempt);
    heap_attention.fetch_or(kHeapGiveWay);
    if (known_class) EXPECT_NE(gc_new(SpanClass(heap_size_class(48), true), nullptr), nullptr);
    else mallocgc(64, nullptr, true);
    EXPECT_NE(getp()->schedtick.load(), turns) << "nobody was chosen to go on";
    EXPECT_EQ(heap_attention.load() & kHeapGiveWay, 0);
  }
}

TEST_F(Mallocgc, debt_is_paid_when_credit_is_used_up_and_the_trigger_comes_after) {
  static int64_t paid = 0;
  static int triggered = 0;
  paid = 0;
  triggered = 0;
  heap_hooks.assist = [] { paid -= std::exchange(getg()->gcAssistBytes, 0); };
  heap_hooks.trigger = [] { ++triggered; };
  const int64_t credit = std::exchange(getg()->gcAssistBytes, 64);
  heap_attention.store(kHeapMarking);
  mallocgc(64, nullptr, true);
  EXPECT_EQ(paid, 0);
  mallocgc(40, nullptr, true);
  mallocgc(100'000, nullptr, true);
  EXPECT_NE(gc_new(SpanClass(heap_size_class(48), true), nullptr), nullptr);
  heap_attention.store(0);
  getg()->gcAssistBytes = credit;
  EXPECT_EQ(paid, 100'088);
  EXPECT_EQ(triggered, 0);
  const uint64_t trigger = mheap_.gc_trigger.exchange(0);
  mallocgc(100'000, nullptr, true);
  mheap_.gc_trigger.store(trigger);
  EXPECT_EQ(triggered, 1);
}

TEST_F(Mallocgc, types_are_known_in_spans_of_one_type_and_of_many) {
  static Type other = pointers;
  other.hash = 1;
  std::vector<std::pair<uintptr_t, const Type*>> made;
  const auto make = [&](const Type* type) { made.emplace_back(reinterpret_cast<uintptr_t>(mallocgc(176, type, true)), type); };
  for (int i = 0; i < 100; ++i) make(&pointers);
  for (int i = 0; i < 100; ++i) make(i % 3 == 0 ? &other : &pointers);
  for (const auto& [at, type] : made) EXPECT_EQ(span_of(at)->typeAt(at), type);
}

TEST_F(Mallocgc, live_bytes_count_what_was_handed_out) {
  flushallmcaches();
  const uint64_t before = mheap_.heap_live.load();
  mallocgc(kMaxSmallSize, nullptr, false);
  mallocgc(100'000, nullptr, false);
  flushallmcaches();
  EXPECT_EQ(mheap_.heap_live.load() - before, kMaxSmallSize + 13 * kHeapPageBytes);
}

TEST_F(MallocgcDeath, more_than_there_is_is_out_of_memory) {
  EXPECT_EXIT(mallocgc(size_t{1} << 60, nullptr, false), testing::ExitedWithCode(2), "fatal error: out of memory");
  EXPECT_EXIT(mallocgc(SIZE_MAX, nullptr, false), testing::ExitedWithCode(2), "fatal error: out of memory");
}

// ---- several Ps --------------------------------------------------------------------------------------

// Every goroutine makes objects of all sizes, fills them, and finds them unharmed; meanwhile the world is
// stopped and what no goroutine has is swept.
class Worker {
 public:
  explicit Worker(unsigned seed) : random_(seed) {}

  void run(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      if (kept_.size() < 200) {
        make();
      } else {
        check(random_() % kept_.size());
      }
      if (i % 64 == 0) gosched();
    }
  }
  void mark() const {
    for (const auto& k : kept_) PretendCollector::mark(k.at);
  }
  uint64_t harmed = 0;

 private:
  struct Mine {
    unsigned char* at;
    size_t size;
    unsigned char fill;
  };

  size_t size() {
    const auto kind = random_() % 16;
    if (kind < 4) return 1 + random_() % 15;
    if (kind < 15) return 1 + random_() % 2000;
    return 1 + random_() % 100'000;
  }
  void make() {
    const size_t bytes = size();
    const bool scanned = random_() % 2 == 0;
    auto* const at = static_cast<unsigned char*>(mallocgc(bytes, scanned ? &pointers : nullptr, true));
    for (size_t i = 0; i < bytes; ++i) harmed += at[i] != 0 ? 1 : 0;
    const auto fill = static_cast<unsigned char>(1 + random_() % 255);
    std::memset(at, fill, bytes);
    kept_.push_back({at, bytes, fill});
  }
  void check(size_t which) {
    const Mine mine = kept_[which];
    for (size_t i = 0; i < mine.size; ++i) harmed += mine.at[i] != mine.fill ? 1 : 0;
    kept_[which] = kept_.back();
    kept_.pop_back();
  }

  std::mt19937 random_;
  std::vector<Mine> kept_;
};

class MallocgcAtPs : public Mallocgc, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, MallocgcAtPs, testing::Values(1, 2, 4));

TEST_P(MallocgcAtPs, objects_of_goroutines_are_their_own) {
  const test::Procs procs(GetParam());
  constexpr int kWorkers = 8, kRounds = 1500;
  std::vector<Worker> workers;
  for (unsigned i = 0; i < kWorkers; ++i) workers.emplace_back(i);
  // Marking is done with the world stopped, which a goroutine may be in the middle of its table for: workers of a round
  // have ended when it is done, and sweeping goes on beside the next round.
  for (int round = 0; round < 8; ++round) {
    WaitGroup group;
    group.add(kWorkers);
    for (Worker& w : workers) {
      go([&w, group]() mutable {
        w.run(kRounds);
        group.done();
      });
    }
    group.wait();
    PretendCollector::begin_sweep([&] {
      for (const Worker& w : workers) w.mark();
    });
  }
  for (const Worker& w : workers) EXPECT_EQ(w.harmed, 0u);
  PretendCollector::finish_sweep();
  EXPECT_TRUE(sweep_is_done());
}

TEST_P(MallocgcAtPs, counts_are_exact) {
  const test::Procs procs(GetParam());
  PretendCollector::collect([] {});
  const MemStats before = mem_stats();
  constexpr int kWorkers = 8, kEach = 5000;
  WaitGroup group;
  group.add(kWorkers);
  for (int i = 0; i < kWorkers; ++i) {
    go([group]() mutable {
      for (int j = 0; j < kEach; ++j) {
        mallocgc(24, nullptr, false);
        if (j % 100 == 0) gosched();
      }
      group.done();
    });
  }
  group.wait();
  const MemStats after = mem_stats();
  EXPECT_EQ(after.mallocs - before.mallocs, uint64_t{kWorkers} * kEach);
  EXPECT_EQ(after.alloc - before.alloc, uint64_t{kWorkers} * kEach * 24);
  EXPECT_EQ(after.heap_idle + after.heap_inuse, after.heap_sys);
}

TEST_F(Mallocgc, a_P_that_is_no_more_leaves_nothing_behind) {
  {
    const test::Procs procs(4);
    WaitGroup group;
    group.add(16);
    for (int i = 0; i < 16; ++i) {
      go([group]() mutable {
        for (int j = 0; j < 1000; ++j) mallocgc(200, nullptr, false);
        group.done();
      });
    }
    group.wait();
  }
  PretendCollector::collect([] {});
  PretendCollector::collect([] {});  // what an earlier test marked
  const uint64_t inuse = mem_stats().heap_inuse;
  PretendCollector::collect([] {});
  EXPECT_EQ(mem_stats().heap_inuse, inuse);
  for (auto& slot : allp) {
    const P* const pp = slot.load();
    if (pp == nullptr || pp->mcache == nullptr || pp == getp()) continue;
    for (const MSpan* s : pp->mcache->alloc) EXPECT_EQ(s->nelems, 0u);
  }
}

#ifndef REPRISE_SANITIZED
TEST_F(Mallocgc, the_child_of_a_fork_allocates_and_sweeps) {
  const test::Procs procs(2);
  std::atomic<bool> stop{false};
  WaitGroup group;
  group.add(2);
  for (int i = 0; i < 2; ++i) {
    go([&stop, group]() mutable {
      while (!stop) {
        for (int j = 0; j < 500; ++j) mallocgc(1 + static_cast<size_t>(j) * 7, &pointers, true);
        PretendCollector::collect([] {});
        gosched();
      }
      group.done();
    });
  }
  for (int i = 0; i < 20; ++i) {
    gosched();
    const pid_t child = fork();
    if (child == 0) {
      ++getg()->no_preempt;  // the other goroutines' collections keep nothing
      std::vector<unsigned char*> mine;
      for (int j = 0; j < 2000; ++j) {
        mine.push_back(static_cast<unsigned char*>(mallocgc(1 + static_cast<size_t>(j), &pointers, true)));
        std::memset(mine.back(), 1 + j % 200, 1 + static_cast<size_t>(j));
      }
      PretendCollector::collect([&] {
        for (void* object : mine) PretendCollector::mark(object);
      });
      for (int j = 0; j < 2000; ++j) mallocgc(1 + static_cast<size_t>(j), &pointers, true);
      for (int j = 0; j < 2000; ++j) {
        for (int k = 0; k <= j; ++k) {
          if (mine[static_cast<size_t>(j)][k] != 1 + j % 200) _exit(1);
        }
      }
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  group.wait();
}
#endif

}  // namespace
}  // namespace reprise::rt
