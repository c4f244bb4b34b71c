// The heap profile: what is sampled, how often, what is told of the dead, and the text.
#include <reprise/heap_profile.h>

#include <gtest/gtest.h>
#include <reprise/gc.h>
#include <reprise/go.h>
#include <reprise/sync.h>

#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "runtime/mem/mallocgc.h"

struct ProfiledNode {
  reprise::gc::Ptr<ProfiledNode> next;
  uint64_t payload[7] = {};
};
REPRISE_GC_FIELDS(ProfiledNode, next)

namespace reprise {
namespace {

struct Totals {
  unsigned long long live = 0, live_bytes = 0, allocs = 0, alloc_bytes = 0, rate = 0;
};

Totals totals() {
  Totals t;
  const std::string text = heap_profile();
  EXPECT_EQ(std::sscanf(text.c_str(), "heap profile: %llu: %llu [%llu: %llu] @ heap/%llu", &t.live, &t.live_bytes, &t.allocs,
                        &t.alloc_bytes, &t.rate),
            5);
  return t;
}

class HeapProfile : public testing::Test {
 protected:
  void TearDown() override {
    set_heap_profile_rate(0);
    gc::collect();
  }
};

[[gnu::noinline]] gc::Ptr<ProfiledNode> make_profiled_chain(int n) {
  gc::Ptr<ProfiledNode> head;
  for (int i = 0; i < n; ++i) {
    gc::Ptr<ProfiledNode> node = gc::make<ProfiledNode>();
    node->next = head;
    head = node;
  }
  return head;
}

TEST_F(HeapProfile, nothing_is_sampled_while_it_is_off) {
  const Totals before = totals();
  make_profiled_chain(10'000);
  EXPECT_EQ(totals().allocs, before.allocs);
}

TEST_F(HeapProfile, rate_of_one_samples_each_object_once) {
  const Totals before = totals();
  EXPECT_EQ(set_heap_profile_rate(1), 0u);
  {
    const gc::Ptr<ProfiledNode> chain = make_profiled_chain(500);
    const gc::Ptr<uint64_t> large = gc::make_array<uint64_t>(10'000);
    EXPECT_EQ(set_heap_profile_rate(0), 1u);
    ASSERT_NE(large, nullptr);
  }
  const Totals after = totals();
  EXPECT_EQ(after.allocs - before.allocs, 501u);
  EXPECT_EQ(after.alloc_bytes - before.alloc_bytes, 500 * 64u + 81'920u);
}

// Of so many objects of 64 bytes the samples that are expected: an object is one with probability 1 - exp(-size / rate).
double expected_samples(double objects, double rate) { return objects * -std::expm1(-64 / rate); }

// Within 6 standard deviations of the mean: wrong once in 5e8 runs.
void expect_samples(unsigned long long samples, double objects, double rate) {
  const double mean = expected_samples(objects, rate);
  EXPECT_NEAR(static_cast<double>(samples), mean, 6 * std::sqrt(mean));
}

TEST_F(HeapProfile, one_in_so_many_bytes_is_sampled_whatever_its_place_in_the_span) {
  constexpr int kObjects = 200'000;
  const Totals before = totals();
  set_heap_profile_rate(4096);
  make_profiled_chain(kObjects);
  set_heap_profile_rate(0);
  expect_samples(totals().allocs - before.allocs, kObjects, 4096);
}

[[gnu::noinline]] gc::Ptr<ProfiledNode> made_at_even() { return gc::make<ProfiledNode>(); }
[[gnu::noinline]] gc::Ptr<ProfiledNode> made_at_odd() { return gc::make<ProfiledNode>(); }

// Samples whose stack has a function of that name.
unsigned long long samples_of(const std::string& function) {
  std::istringstream text(heap_profile());
  unsigned long long sum = 0, allocs = 0, ignored = 0;
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line == "MAPPED_LIBRARIES:") continue;
    if (line[0] != '#') {
      allocs = 0;
      std::sscanf(line.c_str(), "%llu: %llu [%llu:", &ignored, &ignored, &allocs);
    } else if (line.find(function) != std::string::npos) {
      sum += std::exchange(allocs, 0);
    }
  }
  return sum;
}

// Two sites in turn: the object that ends each word of bits, where the slow path is taken anyway, is always of the same.
TEST_F(HeapProfile, neither_of_two_sites_in_turn_is_favoured) {
  set_heap_profile_rate(1024);
  for (int i = 0; i < 50'000; ++i) {
    gc::Ptr<ProfiledNode> even = made_at_even();
    even->next = made_at_odd();
  }
  set_heap_profile_rate(0);
  expect_samples(samples_of("made_at_even"), 50'000, 1024);
  expect_samples(samples_of("made_at_odd"), 50'000, 1024);
}

TEST_F(HeapProfile, the_dead_are_taken_off_when_they_are_swept) {
  set_heap_profile_rate(1);
  // One by one: a chain would live whole if a stale word on a stack pointed to its head.
  std::vector<gc::Ptr<ProfiledNode>> nodes(2'000);
  for (auto& node : nodes) node = gc::make<ProfiledNode>();
  set_heap_profile_rate(0);
  gc::collect();
  const Totals alive = totals();
  EXPECT_GE(alive.live, 2'000u);
  nodes.clear();
  gc::collect();
  gc::collect();
  // Words on stacks may keep some.
  EXPECT_LT(totals().live, alive.live - 1'000);
  EXPECT_EQ(totals().allocs, alive.allocs);
}

TEST_F(HeapProfile, text_names_who_allocated) {
  set_heap_profile_rate(1);
  const gc::Ptr<ProfiledNode> chain = make_profiled_chain(1);  // of more a compiler may make them in two places
  set_heap_profile_rate(0);
  const std::string text = heap_profile();
  EXPECT_NE(text.find("\n1: 64 [1: 64] @ 0x"), std::string::npos) << text.substr(0, 2000);
  EXPECT_NE(text.find("make_profiled_chain"), std::string::npos) << text.substr(0, 2000);
  EXPECT_NE(text.find("\nMAPPED_LIBRARIES:\n"), std::string::npos);
  ASSERT_NE(chain, nullptr);
}

// All Ps at once, each with samples of its own, while cycles take their spans away.
TEST_F(HeapProfile, goroutines_in_parallel_are_sampled_as_one_alone_would_be) {
  constexpr int kGoroutines = 8, kObjects = 50'000;
  const Totals before = totals();
  set_heap_profile_rate(1024);
  WaitGroup group;
  group.add(kGoroutines);
  for (int i = 0; i < kGoroutines; ++i) {
    go([group]() mutable {
      for (int k = 0; k < kObjects / 100; ++k) make_profiled_chain(100);
      group.done();
    });
  }
  for (int i = 0; i < 5; ++i) gc::collect();
  group.wait();
  set_heap_profile_rate(0);
  gc::collect();
  gc::collect();
  const Totals after = totals();
  expect_samples(after.allocs - before.allocs, kGoroutines * kObjects, 1024);
  EXPECT_LT(after.live, before.live + 1'000);
}

// Slots that are kept back from the fast path are not lost: the same memory holds as many objects.
TEST_F(HeapProfile, turning_it_on_and_off_loses_no_slot) {
  const int percent = gc::set_percent(-1);
  gc::collect();
  const uint32_t cycles = gc::cycles();
  for (int i = 0; i < 2'000; ++i) {
    set_heap_profile_rate(static_cast<size_t>(i % 3) * 100);
    rt::mallocgc(64, nullptr, true);
    if (i % 50 == 0) gc::collect();
  }
  set_heap_profile_rate(0);
  gc::collect();
  gc::collect();
  gc::set_percent(percent);
  EXPECT_GE(gc::cycles(), cycles + 42);  // a lost slot ends in "sweep increased allocation count"
}

}  // namespace
}  // namespace reprise
